"""The orchestrators the suite judges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.orchestrator.harness import OrchestratorUnderTest, kinds, under_test


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test runs on every kind, or on those its ``on`` mark names."""
    if "orchestrator" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker("on")
    # A test of a real engine only is collected without one too, and left out below.
    wanted = [kind for kind in kinds() if mark is None or kind in mark.args] or ["real"]
    marks = {"real": [pytest.mark.hatchet]}
    metafunc.parametrize(
        "orchestrator",
        [pytest.param(kind, marks=marks.get(kind, [])) for kind in wanted],
        indirect=True,
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without its token a real engine is not tested: that is a choice, not a skipped test."""
    if "real" in kinds():
        return
    left_out = [
        item
        for item in items
        if (call := getattr(item, "callspec", None)) and call.params.get("orchestrator") == "real"
    ]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark that limits a test to some orchestrators."""
    config.addinivalue_line("markers", "on(*kinds): only on these orchestrators")


@pytest.fixture
def orchestrator(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OrchestratorUnderTest]:
    """One orchestrator without workers."""
    with under_test(request.param, tmp_path) as tested:
        yield tested
