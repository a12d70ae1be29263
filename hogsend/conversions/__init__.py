"""Conversions: events that count as a success, as the content defines them."""
