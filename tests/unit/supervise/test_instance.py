"""One supervisor per data directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from hogsend.embedded import data_directory
from hogsend.embedded.data_directory import locate
from hogsend.errors import ConfigError
from hogsend.supervise.instance import only_supervisor


def test_only_supervisor_refuses_a_second_one_and_names_the_first(tmp_path: Path) -> None:
    with (
        only_supervisor(tmp_path, wait_seconds=0),
        pytest.raises(ConfigError, match=f"process {os.getpid()}") as refused,
        only_supervisor(tmp_path, wait_seconds=0),
    ):
        pass

    assert refused.value.code == "supervisor_running"


def test_only_supervisor_waits_for_programs_and_gives_up(tmp_path: Path) -> None:
    with only_supervisor(tmp_path, wait_seconds=0) as programs:
        pass
    held = os.open(programs, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_SH)

    try:
        with (
            pytest.raises(ConfigError) as refused,
            only_supervisor(tmp_path, wait_seconds=0.1),
        ):
            pass
    finally:
        os.close(held)

    assert refused.value.code == "programs_running"
    with only_supervisor(tmp_path, wait_seconds=0):
        pass


def test_only_supervisor_removes_the_file_of_a_killed_one(tmp_path: Path) -> None:
    (tmp_path / "instance.json").write_text("{}")

    with only_supervisor(tmp_path, wait_seconds=0):
        assert not (tmp_path / "instance.json").exists()


def test_locate_takes_what_was_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_directory, "can_traverse", lambda *_: False)

    assert locate(tmp_path / "data", is_chosen=True) == tmp_path / "data"


def test_locate_as_root_avoids_places_the_servers_cannot_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(data_directory, "can_traverse", lambda *_: False)

    assert locate(tmp_path / "data", is_chosen=False) == Path("/var/lib/hogsend")


def test_locate_without_root_stays_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(data_directory, "can_traverse", lambda *_: False)

    assert locate(tmp_path / "data", is_chosen=False) == tmp_path / "data"
