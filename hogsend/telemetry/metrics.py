"""Every metric of Hogsend, declared here and nowhere else; units are in the names.

Counters and the histogram are fed by the slices; gauges are read when somebody scrapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import start_http_server
from prometheus_client.registry import Collector

from hogsend import __version__
from hogsend.errors import ConfigError, HogsendError
from hogsend.kernel.lifetimes import Closing

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self, *, mode: str) -> None:
        registry = CollectorRegistry(auto_describe=True)
        self.registry = registry
        self._events = Counter(
            "hogsend_events_ingested_total",
            "Events stored, by result (created or duplicate).",
            ("result",),
            registry=registry,
        )
        self._sends = Counter(
            "hogsend_email_sends_total",
            "Finished calls of the mailer, by provider and outcome.",
            ("provider", "outcome"),
            registry=registry,
        )
        self._advances = Counter(
            "hogsend_journey_advances_total",
            "Advances and refused entries, by journey and outcome.",
            ("journey", "outcome"),
            registry=registry,
        )
        self._repairs = Counter(
            "hogsend_journey_repairs_total",
            "Enrollments the reconciler had to repair, by kind; more than none is a fault.",
            ("kind",),
            registry=registry,
        )
        self._tasks = Histogram(
            "hogsend_task_seconds",
            "Time of one run of a task (an advance carries many enrollments), by task and outcome.",
            ("task", "outcome"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._requests = Histogram(
            "hogsend_http_request_seconds",
            "Time from request to response, by method, route and status class.",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=registry,
        )
        build = Gauge(
            "hogsend_build_info",
            "Always 1; the labels say what runs.",
            ("version", "mode"),
            registry=registry,
        )
        build.labels(version=__version__, mode=mode).set(1)

    def count_event(self, result: str, amount: int = 1) -> None:
        """``result`` is ``created`` or ``duplicate``."""
        self._events.labels(result=result).inc(amount)

    def count_send(self, *, provider: str, template: str, outcome: str) -> None:
        """Matches the mailer's observer; the template is left out, it has too many values."""
        del template
        self._sends.labels(provider=provider, outcome=outcome).inc()

    def count_advance(self, *, journey: str, outcome: str) -> None:
        """``outcome`` is a word such as ``waiting``, ``completed``, ``exited``, ``failed``, or the
        reason why somebody was not let in."""
        self._advances.labels(journey=journey, outcome=outcome).inc()

    def count_repairs(self, kind: str, amount: int) -> None:
        """``kind`` is a field of ``hogsend.journeys.operate.Repairs``."""
        self._repairs.labels(kind=kind).inc(amount)

    def observe_request(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """``route`` is the template of the path, never the path: its values are unbounded."""
        self._requests.labels(method=method, route=route, status=f"{status // 100}xx").observe(
            seconds
        )

    def observe_task(self, *, task: str, outcome: str, seconds: float) -> None:
        """``outcome`` is ``ok`` or ``error``."""
        self._tasks.labels(task=task, outcome=outcome).observe(seconds)

    def watch_waits(self, read: Callable[[], WaitGauges]) -> None:
        """Read waits and enrollments whenever somebody scrapes."""
        self.registry.register(_Watch(lambda: _wait_families(read())))

    def watch_workers(self, read: Callable[[], int]) -> None:
        """Count living workers whenever somebody scrapes."""
        self.registry.register(_Watch(lambda: _worker_families(read())))

    def watch_outbox(self, read: Callable[[], OutboxGauges]) -> None:
        """Read the outbox whenever somebody scrapes; a failing read leaves the gauges out."""
        self.registry.register(_Watch(lambda: _outbox_families(read())))

    def watch_pool(self, read: Callable[[], PoolGauges]) -> None:
        """Read the connection pool whenever somebody scrapes."""
        self.registry.register(_Watch(lambda: _pool_families(read())))

    def render(self) -> bytes:
        """The text format, version 0.0.4."""
        return generate_latest(self.registry)


class OutboxGauges(Protocol):
    """What the outbox store measures."""

    @property
    def waiting(self) -> int:
        """Rows nobody works on."""
        ...

    @property
    def parked(self) -> int:
        """Rows out of the queue until somebody acts."""
        ...

    @property
    def oldest_seconds(self) -> float:
        """Age of the oldest waiting row."""
        ...


class WaitGauges(Protocol):
    """What ``ops.overview`` measures."""

    @property
    def waiting(self) -> int:
        """Open waits."""
        ...

    @property
    def due(self) -> int:
        """Open waits whose time has come."""
        ...

    @property
    def late_seconds(self) -> float:
        """How long the oldest of them has been due."""
        ...

    @property
    def under_way(self) -> int:
        """Enrollments that have not ended."""
        ...


class PoolGauges(Protocol):
    """What a connection pool tells about itself."""

    @property
    def size(self) -> int:
        """Open connections."""
        ...

    @property
    def in_use(self) -> int:
        """Connections lent out."""
        ...

    @property
    def waiting(self) -> int:
        """Threads that want one."""
        ...

    @property
    def exhausted_total(self) -> int:
        """How often none came free in time."""
        ...

    @property
    def round_trips_total(self) -> int:
        """Statements sent."""
        ...


class MetricsServer(Closing):
    """Answers scrapes in a thread of its own until closed."""

    def __init__(self, metrics: Metrics, *, port: int, address: str = "0.0.0.0") -> None:  # noqa: S104
        """Listen at once; raises ConfigError when the port is taken. Port 0 picks one."""
        try:
            self._server, self._thread = start_http_server(
                port, addr=address, registry=metrics.registry
            )
        except OSError as error:
            raise ConfigError(
                f"HOGSEND_METRICS_PORT: port {port} cannot be used ({error.strerror})",
                hint="choose a free port for each process",
            ) from error

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening; harmless when repeated."""
        with suppress(OSError):
            self._server.shutdown()
            self._server.server_close()
        self._thread.join()


def serve_metrics(metrics: Metrics, port: int) -> MetricsServer:
    """Serve ``/metrics`` on every interface; see MetricsServer."""
    return MetricsServer(metrics, port=port)


class _Watch(Collector):
    def __init__(self, read: Callable[[], Iterator[Metric]]) -> None:
        self._read = read

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering must not read."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The gauges, or none while their source does not answer: the others still count."""
        try:
            return iter(list(self._read()))
        except HogsendError as error:
            structlog.get_logger().warning("metrics.read_failed", error=error.message)
            return iter(())


def _outbox_families(outbox: OutboxGauges) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "hogsend_outbox_waiting_rows", "Rows nobody works on yet.", outbox.waiting
    )
    yield GaugeMetricFamily(
        "hogsend_outbox_parked_rows", "Rows out of the queue until somebody acts.", outbox.parked
    )
    yield GaugeMetricFamily(
        "hogsend_outbox_oldest_age_seconds",
        "Age of the oldest waiting row.",
        outbox.oldest_seconds,
    )


def _wait_families(waits: WaitGauges) -> Iterator[Metric]:
    yield GaugeMetricFamily("hogsend_waits_open_rows", "People who wait.", waits.waiting)
    yield GaugeMetricFamily("hogsend_waits_due_rows", "Waits whose time has come.", waits.due)
    yield GaugeMetricFamily(
        "hogsend_waits_late_seconds", "How long the oldest due wait is due.", waits.late_seconds
    )
    yield GaugeMetricFamily(
        "hogsend_enrollments_under_way_rows", "Enrollments that have not ended.", waits.under_way
    )


def _worker_families(alive: int) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "hogsend_workers_alive", "Workers that gave a sign of life within 30 s.", alive
    )


def _pool_families(pool: PoolGauges) -> Iterator[Metric]:
    yield GaugeMetricFamily("hogsend_db_pool_connections", "Open connections.", pool.size)
    yield GaugeMetricFamily("hogsend_db_pool_in_use_connections", "Lent out.", pool.in_use)
    yield GaugeMetricFamily("hogsend_db_pool_waiting_threads", "Want one.", pool.waiting)
    yield CounterMetricFamily(
        "hogsend_db_pool_exhausted", "Threads that wanted one in vain.", pool.exhausted_total
    )
    yield CounterMetricFamily(
        "hogsend_db_round_trips", "Statements sent to PostgreSQL.", pool.round_trips_total
    )
