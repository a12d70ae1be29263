"""Traces for OpenTelemetry, when its packages are there and somebody collects.

A trace begins with an event. Its ids are computed from the event's id, which everything the event
causes carries anyway (outbox payload, enrollment, mail): no row grows, and a mail that goes out
weeks later is still in the trace of the event that caused it. Work that no event caused (a
transactional mail) has the id of the mail in that place.

Imports the packages on use only; without a ``Tracing`` the callers below spend one comparison.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from uuid import UUID

from hogsend import __version__
from hogsend.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import SpanContext

Attributes = Mapping[str, Any]

MISSING = (
    "OTEL_EXPORTER_OTLP_ENDPOINT is set, but the OpenTelemetry packages are not installed: "
    "no traces are sent; see docs/observability.md"
)
_STATUSES_OF_ERRORS = 500
_CAUSE = "hogsend.cause"
_anchor: ContextVar[UUID | None] = ContextVar("hogsend_trace_anchor", default=None)


def ids_of(cause: UUID) -> tuple[int, int]:
    """Trace and span id of the first span of a cause. Hashed: samplers want even distribution."""
    digest = hashlib.sha256(cause.bytes).digest()
    return int.from_bytes(digest[:16]), int.from_bytes(digest[16:24])


def traceparent_of(cause: UUID) -> str:
    """The same as a W3C ``traceparent``, for other programs."""
    trace_id, span_id = ids_of(cause)
    return f"00-{trace_id:032x}-{span_id:016x}-01"


def is_available() -> bool:
    """True when the SDK and the exporter can be imported."""
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.sdk.trace  # noqa: F401
    except ImportError:
        return False
    return True


class Tracing:
    """Makes spans; thread-safe. Names and attributes are listed in docs/observability.md."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("hogsend", __version__)

    @contextmanager
    def span(
        self, name: str, attributes: Attributes | None = None, *, causes: Sequence[UUID] = ()
    ) -> Iterator[None]:
        """Time a piece of work below whatever is under way; an exception marks it failed.

        ``causes``: whose traces the work of a batch belongs to as well; they become links.
        """
        from opentelemetry import trace

        links = [trace.Link(self._context_of(cause)) for cause in causes]
        with self._tracer.start_as_current_span(
            name, attributes=dict(attributes or {}), links=links
        ):
            yield

    @contextmanager
    def caused_by(
        self, cause: UUID | None, name: str, attributes: Attributes | None = None
    ) -> Iterator[None]:
        """Time work in the trace of its cause, linked to what is under way here.

        Below another span of that kind, or without a cause, it is an ordinary span.
        """
        from opentelemetry import context, trace

        if cause is None or context.get_value(_CAUSE) is not None:
            with self.span(name, attributes):
                yield
            return
        here = trace.get_current_span().get_span_context()
        parent = trace.NonRecordingSpan(self._context_of(cause))
        above = trace.set_span_in_context(parent, context.set_value(_CAUSE, str(cause)))
        token = context.attach(above)
        try:
            links = [trace.Link(here)] if here.is_valid else []
            with self._tracer.start_as_current_span(
                name, attributes={"hogsend.cause_id": str(cause), **(attributes or {})}, links=links
            ):
                yield
        finally:
            context.detach(token)

    def begin_trace(
        self, cause: UUID, name: str, *, started_ns: int, attributes: Attributes | None = None
    ) -> None:
        """The first span of a cause, written when it ends: from ``started_ns`` until now.

        It and the span that is under way (a request) link to each other.
        """
        from opentelemetry import context, trace

        request = trace.get_current_span()
        here = request.get_span_context()
        token = _anchor.set(cause)
        try:
            span = self._tracer.start_span(
                name,
                context=context.Context(),
                links=[trace.Link(here)] if here.is_valid else [],
                attributes={"hogsend.cause_id": str(cause), **(attributes or {})},
                start_time=started_ns,
            )
        finally:
            _anchor.reset(token)
        span.end()
        if request.is_recording():
            request.add_link(span.get_span_context())

    def begin_request(self, method: str, traceparent: str | None) -> Any:
        """Start the span of an HTTP request, below the caller's when it says so."""
        from opentelemetry import context, trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier = {} if traceparent is None else {"traceparent": traceparent}
        above = TraceContextTextMapPropagator().extract(carrier, context.Context())
        span = self._tracer.start_span(
            method,
            context=above,
            kind=trace.SpanKind.SERVER,
            attributes={"http.request.method": method},
        )
        return span, context.attach(trace.set_span_in_context(span, above))

    def end_request(self, begun: Any, *, route: str, status: int, request_id: str) -> None:
        """End it; ``route`` is the template of the path."""
        from opentelemetry import context, trace

        span, token = begun
        context.detach(token)
        method = span.attributes.get("http.request.method") if span.is_recording() else ""
        span.update_name(f"{method} {route}")
        span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", status)
        span.set_attribute("hogsend.request_id", request_id)
        if status >= _STATUSES_OF_ERRORS:
            span.set_status(trace.StatusCode.ERROR)
        span.end()

    def close(self) -> None:
        """Send what is left, at most for OTEL_EXPORTER_OTLP_TIMEOUT (10 s); idempotent."""
        self._provider.shutdown()

    def _context_of(self, cause: UUID) -> SpanContext:
        """As every process computes it, the sampler's decision included."""
        from opentelemetry import context, trace
        from opentelemetry.sdk.trace.sampling import Decision

        trace_id, span_id = ids_of(cause)
        decision = self._provider.sampler.should_sample(context.Context(), trace_id, "").decision
        is_sampled = decision is Decision.RECORD_AND_SAMPLE
        flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if is_sampled else 0)
        return trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)


def build_tracing(*, service: str, mode: str, processor: SpanProcessor | None = None) -> Tracing:
    """Traces of this process; without a ``processor`` they go where ``OTEL_*`` says.

    Raises ConfigError when the packages are missing.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    except ImportError as error:
        raise ConfigError(MISSING) from error

    class CauseIds(RandomIdGenerator):
        """Computed ids for the first span of a cause, random ones otherwise."""

        def generate_span_id(self) -> int:
            """Sixty-four bits."""
            cause = _anchor.get()
            return super().generate_span_id() if cause is None else ids_of(cause)[1]

        def generate_trace_id(self) -> int:
            """A hundred and twenty-eight bits."""
            cause = _anchor.get()
            return super().generate_trace_id() if cause is None else ids_of(cause)[0]

    provider = TracerProvider(
        resource=Resource.create(
            {"service.name": service, "service.version": __version__, "hogsend.mode": mode}
        ),
        id_generator=CauseIds(),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(processor or BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)
