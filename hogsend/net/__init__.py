"""Outgoing HTTP."""

from hogsend.net.client import AnswerLost, HttpClient, HttpOptions, HttpResponse, NotSent

__all__ = ["AnswerLost", "HttpClient", "HttpOptions", "HttpResponse", "NotSent"]
