"""What the runtime notices of a function's own code, for the test kit."""

from __future__ import annotations

from hogsend.journeys.runtime.notices import ProblemKind, ReplayProblem, TurnWatch

__all__ = ["ProblemKind", "ReplayProblem", "TurnWatch"]
