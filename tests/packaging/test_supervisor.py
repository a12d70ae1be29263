"""Supervisor mode from the archive: a bare machine, crashes, stops, refusals."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import time

import pytest

from tests.packaging.machine import PROGRAMS, Machine

pytestmark = pytest.mark.slow
_WELCOME, _NUDGE = "Welcome", "start"


def _two_mails(machine: Machine, user: str) -> bool:
    return len(machine.subjects_to(user)) >= 2


def test_supervisor_on_a_bare_machine_sends_mail_and_resumes(machine: Machine) -> None:
    machine.start_ready()
    machine.send("ada", demo=True)
    machine.wait(lambda: _two_mails(machine, "ada"), seconds=30, what="both mails to ada")
    first_key = machine.api_key

    assert machine.stop() == 0
    machine.start_ready()
    machine.send("bob", demo=True)
    machine.wait(lambda: _two_mails(machine, "bob"), seconds=30, what="both mails to bob")

    assert machine.stop() == 0
    assert len(machine.subjects_to("ada")) == 2
    assert set(re.findall(r"hsk_[\w-]+", machine.log)) == {first_key}
    assert machine.log.count("shown once") == 2
    assert not (machine.data / "first-run.json").exists()


def test_supervisor_told_to_stop_ends_programs_in_order(machine: Machine) -> None:
    process = machine.start_ready()
    assert stat.S_IMODE((machine.data / "instance.json").stat().st_mode) == 0o600
    assert _listening_user(machine.pid_of("postgres")) != 0

    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=60) == 0
    stopped = re.findall(r"stopped: ([\w-]+) \(exit status (\d+)\)", machine.log)
    assert stopped == [(name, "0") for name in PROGRAMS]
    assert machine.survivors() == []
    assert not (machine.data / "instance.json").exists()


def _listening_user(pid: int) -> int:
    """Who the server runs as: never root."""
    return os.stat(f"/proc/{pid}").st_uid if os.geteuid() == 0 else -1


@pytest.mark.parametrize("program", ["api-1", "worker", "postgres", "valkey"])
def test_program_killed_is_restarted_and_the_journey_goes_on(
    machine: Machine, program: str
) -> None:
    machine.start_ready()
    # Only a program that has stayed up counts as started; before, deaths are start failures.
    running = re.compile(rf"success: {program} entered RUNNING")
    machine.wait(lambda: bool(running.search(machine.log)), seconds=20, what="it stayed up")
    machine.send("ada", demo=True)
    killed = machine.pid_of(program)

    os.kill(killed, signal.SIGKILL)

    machine.wait(lambda: machine.pid_of(program) != killed, seconds=20, what="a restart")
    machine.wait(lambda: _two_mails(machine, "ada"), seconds=60, what="both mails to ada")
    machine.wait(lambda: _accepts(machine, "bob"), seconds=30, what="bob is accepted")
    machine.wait(lambda: _two_mails(machine, "bob"), seconds=60, what="both mails to bob")
    assert machine.stop() == 0
    assert len(machine.subjects_to("ada")) == 2
    assert len(machine.subjects_to("bob")) == 2


def _accepts(machine: Machine, user: str) -> bool:
    try:
        machine.send(user, demo=True)
    except Exception:
        return False
    return True


@pytest.mark.parametrize("moment_seconds", [0.0, 0.05, 0.3, 1.5])
def test_supervisor_killed_at_any_moment_loses_and_repeats_nothing(
    machine: Machine, moment_seconds: float
) -> None:
    process = machine.start_ready()
    machine.send("ada", demo=True)
    # The moment of the crash is what is tested.
    time.sleep(moment_seconds)

    process.kill()
    process.wait(timeout=10)
    machine.start_ready()

    machine.wait(lambda: _two_mails(machine, "ada"), seconds=60, what="both mails to ada")
    assert machine.stop() == 0
    assert len(machine.subjects_to("ada")) == 2
    assert machine.survivors() == []


def test_supervisor_killed_leaves_no_program_behind(machine: Machine) -> None:
    process = machine.start_ready()

    process.kill()
    process.wait(timeout=10)

    machine.wait(lambda: machine.survivors() == [], seconds=20, what="all programs ended")


def test_supervisor_with_a_program_that_cannot_run_gives_up_with_one(machine: Machine) -> None:
    process = machine.start(HOGSEND_APP="no_such_module:app")

    code = process.wait(timeout=90)

    assert code == 1, machine.log
    assert "cannot be kept running: stopping everything" in machine.log
    assert "no_such_module" in machine.log
    assert machine.survivors() == []


def test_supervisor_with_a_bad_migration_starts_neither_api_nor_worker(machine: Machine) -> None:
    folder = machine.directory / "client"
    (folder / "meta").mkdir(parents=True)
    (folder / "meta" / "_journal.json").write_text('{"entries": [{"idx": 0, "tag": "broken"}]}')
    (folder / "broken.sql").write_text("BROKEN;\n")

    code = machine.start(CLIENT_MIGRATIONS_FOLDER=str(folder)).wait(timeout=60)

    assert code == 1
    assert "could not be brought up to date" in machine.log
    assert "spawned: 'api-1'" not in machine.log
    assert "spawned: 'worker'" not in machine.log


def test_supervisor_told_to_stop_while_it_starts_leaves_nothing(machine: Machine) -> None:
    process = machine.start()
    machine.wait(lambda: machine.data.exists(), seconds=20, what="it began")

    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=60) == 0
    assert machine.survivors() == []
    machine.start_ready()
    assert machine.stop() == 0


def test_second_supervisor_on_the_data_directory_is_refused(machine: Machine) -> None:
    process = machine.start_ready()

    second = machine.run("supervisor", PORT="0")

    assert second.returncode == 1
    assert f"another supervisor (process {process.pid}) runs on" in second.stderr
    assert process.poll() is None
    assert machine.stop() == 0


def test_supervisor_with_a_taken_port_says_so_and_makes_nothing(machine: Machine) -> None:
    with socket.create_server(("0.0.0.0", machine.port)):
        refused = machine.run("supervisor")

    assert refused.returncode == 1
    assert f"port {machine.port} cannot be used" in refused.stderr
    assert not (machine.data / "postgres").exists()


def test_supervisor_with_a_bad_setting_names_it(machine: Machine) -> None:
    refused = machine.run("supervisor", PORT="many")

    assert refused.returncode == 1
    assert "PORT: is invalid" in refused.stderr


def test_supervisor_with_quiet_logs_is_ready_all_the_same(machine: Machine) -> None:
    machine.start_ready(LOG_LEVEL="error")

    assert "is ready" in machine.log
    assert machine.stop() == 0


def test_supervisor_shares_the_port_between_processes(machine: Machine) -> None:
    machine.start_ready(HOGSEND_API_PROCESSES="2")

    for number in range(20):
        machine.send(f"person-{number}")

    assert len(re.findall(r"spawned: 'api-\d'", machine.log)) == 2
    assert machine.stop() == 0
