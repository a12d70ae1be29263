"""Runs one journey function from its first line to its next pause or end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from hogsend.journeys.meta import JourneyDefinition
from hogsend.journeys.models import Enrollment, Settlement
from hogsend.journeys.runtime.context import JourneyContext
from hogsend.journeys.runtime.failures import judge
from hogsend.journeys.runtime.passage import Passage, Services
from hogsend.journeys.runtime.signals import (
    JourneyExit,
    Later,
    Lost,
    Pause,
    Stop,
    drive,
)
from hogsend.journeys.runtime.user import to_user


async def replay(
    enrollment: Enrollment,
    definition: JourneyDefinition,
    services: Services,
    *,
    attempts: int,
    on_start: Callable[[Passage], None] | None = None,
) -> Settlement | None:
    """What this advance leaves behind; None when it must leave nothing.

    Never raises for anything the function does. Cancellation passes through untouched: it is not
    a failure of the journey. ``on_start`` sees the passage before the first line, for tools.
    """
    passage = Passage.start(enrollment, definition, services)
    if on_start is not None:
        on_start(passage)
    log = structlog.get_logger().bind(journey=definition.meta.id, state=str(enrollment.id))
    coroutine = definition.run(to_user(enrollment, definition.meta), JourneyContext(passage))
    watch = services.watch

    def on_turn(begins: bool) -> None:
        if begins:
            watch.begin(definition)
        else:
            watch.end()

    try:
        stop: Stop | None = await drive(coroutine, on_turn)
        _judge_end(passage, stop, log)
    except JourneyExit as error:
        passage.exiting = error
        stop = None
    except Exception as error:
        if passage.exiting is None:
            return _failed(passage, passage.calls.error or error, attempts)
        log.warning("journey.failed_after_exit", error=repr(error))
        stop = None
    finally:
        passage.calls.close()
        _close(coroutine, log)
    if passage.drift is not None and definition.meta.on_drift == "finish_old":
        return _failed(passage, passage.drift, attempts)
    return _ended(passage, stop)


def _judge_end(passage: Passage, stop: Stop | None, log: structlog.stdlib.BoundLogger) -> None:
    """The function has paused or returned; raises what speaks against that.

    What a call of the context raised counts although the function caught it, and a worker that
    stops is obeyed although the function went on.
    """
    calls = passage.calls
    if calls.is_cancelled:
        log.warning(
            "journey.swallowed_cancellation",
            place=passage.definition.place,
            call=calls.interrupted,
            hint="let CancelledError pass; except Exception is wide enough",
        )
        raise asyncio.CancelledError
    if passage.exiting is not None:
        if stop is None:
            log.warning(
                "journey.swallowed_exit",
                place=passage.definition.place,
                hint="let JourneyExit pass; except Exception is wide enough",
            )
        return
    if calls.error is not None:
        log.warning(
            "journey.swallowed_error",
            place=passage.definition.place,
            error=repr(calls.error),
            hint="errors of ctx decide what happens next, whether they are caught or not",
        )
        raise calls.error
    if isinstance(stop, Lost | Later):
        return
    calls.require_uninterrupted()
    calls.require_awaited()
    if stop is None:
        passage.keep_caught()
        passage.compare("the code ends")


def _ended(passage: Passage, stop: Stop | None) -> Settlement | None:
    match stop:
        case Pause(wait=wait):
            return _settlement(passage, "waiting", node=wait.label, wait=wait)
        case Lost():
            return None
        case Later(after_seconds=seconds, reason=reason):
            return _settlement(
                passage, "retry", error=reason, after_seconds=seconds, is_counted=False
            )
    if passage.exiting is not None:
        why = passage.exiting.reason
        passage.log("exited", "end-exited", reason=why)
        return _settlement(passage, "exited", node="end-exited", reason=why)
    passage.log("completed", "end-completed")
    return _settlement(passage, "completed", node="end-completed")


def _failed(passage: Passage, error: Exception, attempts: int) -> Settlement | None:
    verdict = judge(
        error,
        passage.enrollment,
        passage.definition,
        attempts=attempts,
        now=passage.real_now(),
    )
    log = structlog.get_logger().bind(
        journey=passage.definition.meta.id, state=str(passage.enrollment.id)
    )
    if verdict.status == "leave":
        log.warning("journey.advance_abandoned", error=verdict.message)
        return None
    if verdict.status == "retry":
        log.warning(
            "journey.advance_retried",
            error=verdict.message,
            attempt=passage.enrollment.attempt + 1,
            after_seconds=verdict.after_seconds,
        )
        return _settlement(
            passage,
            "retry",
            error=verdict.message,
            after_seconds=verdict.after_seconds,
            is_counted=verdict.is_counted,
        )
    log.error("journey.failed", error=verdict.message, exc_info=error)
    passage.log("failed", "failed", error=verdict.message)
    return _settlement(passage, "failed", error=verdict.message)


def _settlement(passage: Passage, status: str, **values: object) -> Settlement:
    return Settlement(
        enrollment=passage.enrollment,
        status=status,  # type: ignore[arg-type]  # the callers above name the literals
        first_seq=passage.journal.next_seq,
        steps=tuple(passage.journal.fresh),
        logs=tuple(passage.logs),
        variants=dict(passage.variants),
        **{"node": passage.node, **values},  # type: ignore[arg-type]
    )


def _close(coroutine: object, log: structlog.stdlib.BoundLogger) -> None:
    """Run the function's ``finally`` blocks; the outcome is decided and cannot change any more."""
    close: Callable[[], None] = coroutine.close  # type: ignore[attr-defined]
    try:
        close()
    except RuntimeError as error:
        log.warning(
            "journey.ignored_its_end",
            error=str(error),
            hint="a finally block or a bare except awaits something; it has no effect there",
        )
    except BaseException as error:
        log.warning("journey.failed_while_closing", error=repr(error))
