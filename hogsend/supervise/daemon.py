"""supervisord inside our process: prompt, quiet, with an exit code that tells the truth."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from supervisor import events, supervisord
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ServerOptions
from supervisor.states import SupervisorStates

from hogsend.supervise.instance import hold
from hogsend.supervise.libc import die_with, release_memory
from hogsend.supervise.plan import API, MIGRATE, POSTGRES, WORKER, Plan, find_configuration
from hogsend.supervise.ready import ReadyWatch
from hogsend.supervise.relay import Relay, SupervisorLog

# All an embedded server needs of the environment; the rest holds secrets.
_SERVER_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_FAILED, _CLEAN = 1, 0


def run(plan: Plan, *, sock: socket.socket, relay: Relay, programs: Path, ready: ReadyWatch) -> int:
    """Run every program of the plan until told to stop or one cannot be kept running.

    Returns the exit code: 0 after TERM, INT, QUIT or HUP, 1 when the migration failed or a
    program gave up. Replaces the process's environment by the plan's.
    """
    os.environ.clear()
    os.environ.update(plan.environ)
    options = _Options(plan, sock=sock, relay=relay, programs=programs)
    options.realize(["-n", "-c", str(find_configuration())], doc=supervisord.__doc__)
    options.first, options.test = True, False
    release_memory()
    daemon = _Daemon(options, plan=plan, relay=relay, ready=ready)
    try:
        daemon.main()
    except asyncore.ExitNow:
        pass
    finally:
        options.close_httpservers()
        options.close_logger()
    return daemon.exit_code


class _Wake:
    """A pipe in supervisord's poll loop: a signal is acted on at once, not within its second."""

    def __init__(self) -> None:
        self.descriptor, self._end = os.pipe()
        os.set_blocking(self.descriptor, False)
        os.set_blocking(self._end, False)

    def listen(self) -> None:
        """Let the interpreter write to the pipe for every signal."""
        signal.set_wakeup_fd(self._end, warn_on_full_buffer=False)

    def poke(self) -> None:
        """Turn the loop once more without waiting."""
        try:
            os.write(self._end, b"\0")
        except BlockingIOError:
            return

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        os.read(self.descriptor, 4096)

    def handle_error(self) -> None:
        raise RuntimeError("the supervisor's wake-up pipe broke")


class _OpenSocket:
    """Stands in for supervisord's socket configuration: the socket is open already.

    Ours stays open whatever happens to the processes, so that clients queue meanwhile.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.url = f"port {sock.getsockname()[1]}"

    def __str__(self) -> str:
        return self.url

    def create_and_bind(self) -> socket.socket:
        return self._sock.dup()

    def get_backlog(self) -> int:
        return 2048


class _Options(ServerOptions):  # type: ignore[misc]  # the base is untyped
    process_group_configs: list[Any]

    def __init__(self, plan: Plan, *, sock: socket.socket, relay: Relay, programs: Path) -> None:
        super().__init__()
        self.wake = _Wake()
        self._plan = plan
        self._sock = sock
        self._log = SupervisorLog(relay)
        self._programs = programs
        self._pid = os.getpid()
        self._hangup_means_stop = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN

    def realize(self, *args: Any, **kwargs: Any) -> None:
        """Read the configuration, then leave out and complete what only we know."""
        super().realize(*args, **kwargs)
        self.process_group_configs = [
            group for group in self.process_group_configs if group.name in self._plan.programs
        ]
        for group in self.process_group_configs:
            if group.name == API:
                group.socket_config = _OpenSocket(self._sock)
            server = self._plan.servers.get(group.name)
            if server is not None and server.run_as is not None:
                for config in group.process_configs:
                    config.uid = server.run_as[0]

    def set_uid_or_exit(self) -> None:
        """Stay who we are: only the embedded servers run as somebody else."""

    def make_logger(self) -> None:
        self.logger = self._log

    def setsignals(self) -> None:
        super().setsignals()
        self.wake.listen()

    def get_socket_map(self) -> dict[int, Any]:
        return {**super().get_socket_map(), self.wake.descriptor: self.wake}

    def get_signal(self) -> int | None:
        """One signal a turn; HUP, which would restart everything, stops (nohup: does nothing)."""
        number = super().get_signal()
        if number is None:
            return None
        self.wake.poke()
        if number == signal.SIGHUP:
            return signal.SIGTERM if self._hangup_means_stop else None
        return int(number)

    def execve(self, filename: str, argv: list[str], env: Mapping[str, str]) -> None:
        """The last step of a child: it dies with us and holds the data directory meanwhile."""
        name = env["SUPERVISOR_GROUP_NAME"]
        try:
            hold(self._programs)
            die_with(self._pid, signal.SIGINT if name == POSTGRES else signal.SIGTERM)
        except OSError as error:
            os.write(2, f"cannot start {name}: {error}\n".encode())
            os._exit(_FAILED)
        chosen = _SERVER_ENVIRONMENT if name in self._plan.servers else env
        super().execve(filename, argv, chosen)


class _Daemon(supervisord.Supervisor):  # type: ignore[misc]  # the base is untyped
    def __init__(self, options: _Options, *, plan: Plan, relay: Relay, ready: ReadyWatch) -> None:
        super().__init__(options)
        self.exit_code = _CLEAN
        self._plan = plan
        self._relay = relay
        self._ready = ready

    def runforever(self) -> None:
        """run() forgets subscriptions, so this is the first moment for ours."""
        subscriptions: dict[type, Callable[[Any], None]] = {
            events.ProcessLogEvent: self._on_output,
            events.ProcessStateExitedEvent: self._on_exit,
            events.ProcessStateBackoffEvent: self._on_end,
            events.ProcessStateStoppedEvent: self._on_end,
            events.ProcessStateRunningEvent: self._on_running,
            events.ProcessStateFatalEvent: self._on_fatal,
        }
        for kind, handler in subscriptions.items():
            events.subscribe(kind, handler)
        self.options.wake.poke()
        super().runforever()

    def ordered_stop_groups_phase_2(self) -> None:
        """Go on to the next group at once, not within the loop's second."""
        before = len(self.stop_groups or ())
        super().ordered_stop_groups_phase_2()
        if len(self.stop_groups or ()) != before:
            self.options.wake.poke()

    def _on_output(self, event: Any) -> None:
        self._relay.feed(event.process.config.name, event.data)

    def _on_end(self, event: Any) -> None:
        self._relay.end(event.process.config.name)

    def _on_running(self, event: Any) -> None:
        self._ready.on_running(event.process.config.name)

    def _on_exit(self, event: Any) -> None:
        self._on_end(event)
        if event.process.config.name != MIGRATE:
            return
        if not event.expected:
            self._fail("the database could not be brought up to date")
            return
        for name in (WORKER, API):
            for process in self.process_groups[name].processes.values():
                process.config.autostart = True
        self.options.wake.poke()

    def _on_fatal(self, event: Any) -> None:
        self._fail(f"{event.process.config.name} cannot be kept running")

    def _fail(self, reason: str) -> None:
        if self.options.mood < SupervisorStates.RUNNING:
            return
        self._relay.say(f"{reason}: stopping everything", level="error")
        self.exit_code = _FAILED
        self.options.mood = SupervisorStates.SHUTDOWN
        self.options.wake.poke()
