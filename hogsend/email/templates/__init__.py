"""Mail templates: found by key, rendered to HTML and plain text without side effects."""

from hogsend.email.templates.errors import TemplateError, UnknownTemplate
from hogsend.email.templates.models import RenderedMail, TemplateDefinition

__all__ = ["RenderedMail", "TemplateDefinition", "TemplateError", "UnknownTemplate"]
