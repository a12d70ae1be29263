"""The SDK is loaded without its REST client's validators, in the worker and in its listener."""

from __future__ import annotations

from multiprocessing.queues import Queue
from types import FunctionType
from typing import Any

import pydantic
import pytest
from pydantic_core import core_schema

from hogsend.errors import HogsendError
from hogsend.orchestrator.hatchet_lean import (
    ListenerContext,
    ListenerProcess,
    validators_on_demand,
)
from hogsend.orchestrator.hatchet_options import HatchetOptions
from hogsend.orchestrator.hatchet_session import Session
from hogsend.orchestrator.port import ServeEnd, ServeHooks
from tests.unit.orchestrator.test_hatchet_options import _CLAIMS, make_token


class _Even:
    """Tells when a validator for it is built."""

    built = 0

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        cls.built += 1
        return core_schema.int_schema(multiple_of=2)


def test_validator_is_built_by_the_first_call_and_refuses() -> None:
    with validators_on_demand():

        @pydantic.validate_call
        def half(number: _Even) -> float:
            return number / 2  # type: ignore[operator]  # validated as a number

    before = _Even.built
    answer = half("8")  # type: ignore[arg-type]  # what is validated

    assert (before, answer, _Even.built) == (0, 4, 1)
    with pytest.raises(pydantic.ValidationError, match="multiple of 2"):
        half(7)  # type: ignore[arg-type]  # the same


def test_validators_are_built_at_once_after_an_import_that_failed() -> None:
    original = pydantic.validate_call

    with pytest.raises(HogsendError), validators_on_demand():
        raise HogsendError("as the import of something broken")

    assert pydantic.validate_call is original


def test_listener_child_loads_the_sdk_without_validators() -> None:
    context = ListenerContext()
    answers: Queue[bool] = context.Queue()
    child = context.Process(target=_tell, args=(answers,))
    child.start()

    try:
        is_built = answers.get(timeout=60)
    finally:
        child.join(timeout=10)

    assert isinstance(child, ListenerProcess)
    assert is_built is False


def _tell(answers: Queue[bool]) -> None:
    """Runs in the child: was the validator of a REST method built by the import?"""
    from hatchet_sdk.clients.rest.api.api_token_api import APITokenApi

    method: Any = APITokenApi.api_token_create
    assert isinstance(method, FunctionType)
    (cell,) = [c for c in method.__closure__ or () if hasattr(c.cell_contents, "__self__")]
    answers.put(cell.cell_contents.__self__.__pydantic_complete__)


def test_worker_starts_its_listener_this_way(monkeypatch: pytest.MonkeyPatch) -> None:
    from hogsend.orchestrator.hatchet import HatchetOrchestrator
    from hogsend.orchestrator.hatchet_client import EngineClient

    contexts = []

    def run(session: Session, worker: Any) -> ServeEnd:
        contexts.append(worker._ctx)
        return ServeEnd.STOPPED

    monkeypatch.setattr(Session, "run", run)
    monkeypatch.setattr(EngineClient, "version", lambda client: "v0")
    orchestrator = HatchetOrchestrator(
        HatchetOptions(token=make_token(_CLAIMS), tls_strategy="none")
    )

    orchestrator.serve([], ServeHooks(on_ready=lambda: None, on_stopping=lambda: None))

    assert [type(context) for context in contexts] == [ListenerContext]
    orchestrator.close()
