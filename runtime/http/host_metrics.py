"""The metrics of runs that are awake and asleep, and of what is published, in the form that Prometheus reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from runtime.lua.hibernation import HibernationCounts
from runtime.modules.stream.queue import PublishCounts

#: How many runs of each worker, by its entry id, are awake and asleep now.
Hibernation = Callable[[], Mapping[str, HibernationCounts]]
#: What the functions of this host have published.
Publishing = Callable[[], PublishCounts]

_METRICS = [
    ("live", GaugeMetricFamily, "evermoon_runs_live", "Runs in memory with an interpreter"),
    ("asleep", GaugeMetricFamily, "evermoon_runs_asleep", "Runs in memory without one"),
    ("wakes", CounterMetricFamily, "evermoon_run_wakes", "How often a run got an interpreter again"),
    ("replayed", CounterMetricFamily, "evermoon_run_wake_steps", "Steps that were repeated for that"),
    ("differed", CounterMetricFamily, "evermoon_run_wakes_differed", "How often something came out differently then"),
]


def no_hibernation() -> Mapping[str, HibernationCounts]:
    return {}


def no_publishing() -> PublishCounts:
    return PublishCounts()


class HibernationCollector(Collector):
    """A collector that asks the workers whenever it is read, so nothing is counted twice."""

    def __init__(self, of_workers: Hibernation) -> None:
        self._of_workers = of_workers

    def collect(self) -> Iterable[Metric]:
        of_workers = self._of_workers()
        for field, kind, name, text in _METRICS:
            family = kind(name, text, labels=("worker",))
            for worker, counts in of_workers.items():
                family.add_metric((worker,), getattr(counts, field))
            yield family


class PublishingCollector(Collector):
    """A collector that asks the host."""

    def __init__(self, of_host: Publishing) -> None:
        self._of_host = of_host

    def collect(self) -> Iterable[Metric]:
        counts = self._of_host()
        yield CounterMetricFamily(
            "evermoon_stream_events", "Events that functions have published", value=counts.published
        )
        text = "Those of them that the stream store never got"
        yield CounterMetricFamily("evermoon_stream_events_lost", text, value=counts.lost)
