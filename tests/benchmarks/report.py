"""What every bench prints: throughput, latency, statements per operation, memory."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(slots=True, kw_only=True)
class Result:
    """One line of a report; None means the bench does not measure it."""

    name: str
    per_second: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    statements: float | None = None
    round_trips: float | None = None
    memory_mb: dict[str, float] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """The result as one readable line."""
        parts = [f"{self.name:<44}"]
        if self.per_second is not None:
            parts.append(f"{self.per_second:>9,.0f}/s")
        if self.p50_ms is not None:
            parts.append(f"p50 {self.p50_ms:7.1f} ms")
        if self.p99_ms is not None:
            parts.append(f"p99 {self.p99_ms:7.1f} ms")
        if self.statements is not None:
            parts.append(f"{self.statements:.2f} commits/op")
        if self.round_trips is not None:
            parts.append(f"{self.round_trips:.2f} round trips/op")
        parts += [f"{name} {mb:.0f} MB" for name, mb in self.memory_mb.items()]
        parts += [f"{name}={value}" for name, value in self.notes.items()]
        return "  ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "name": self.name,
            "perSecond": self.per_second,
            "p50Ms": self.p50_ms,
            "p99Ms": self.p99_ms,
            "commitsPerOperation": self.statements,
            "roundTripsPerOperation": self.round_trips,
            "memoryMb": self.memory_mb,
            "notes": self.notes,
        }


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "memoryGiB": round(memory / 2**30, 1),
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "load": os.getloadavg()[0],
    }


def cpu_seconds(pid: int) -> float:
    """CPU time that a process and everything below it have used, ended children left out."""
    ticks = 0
    for one in descendants(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    """Resident memory of one process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def proportional_mb(pid: int) -> float:
    """Resident memory with shared pages divided among their users, in MB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def descendants(pid: int) -> Iterator[int]:
    """A process and everything below it."""
    yield pid
    children = Path(f"/proc/{pid}/task/{pid}/children")
    if children.exists():
        for child in children.read_text().split():
            yield from descendants(int(child))


def write_json(path: Path, results: list[Result]) -> None:
    """Keep a report with its machine and the time."""
    body = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "results": [r.as_dict() for r in results],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, indent=2) + "\n")
