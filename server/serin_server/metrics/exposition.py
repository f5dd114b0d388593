"""Counts as Prometheus reads them. docs/metrics.md says what each series means.

Takes a frozen Scrape, so that it can work in a thread while requests go on. Never touches a registry of the process.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from serin_core.contract import names
from serin_server.metrics.counters import BUCKETS, ArmCounts, Refusal, StageCounts
from serin_server.runs.gil_yield import giving_way

_K = TypeVar("_K")

DOCUMENTS_REFUSED: Final = "serin_documents_refused_total"

_PROCESS_LABELS: Final = (names.SERIES_MODEL, names.SERIES_UID, names.SERIES_POD, names.SERIES_PROCESS)
_TRIAL_LABELS: Final = (names.SERIES_RUN, names.SERIES_STAGE, names.SERIES_ARM)


@dataclass(frozen=True, slots=True)
class Identity:
    """The labels that every series of one process carries."""

    model: str
    uid: str
    pod: str
    process: str


@dataclass(frozen=True, slots=True)
class RunOnScrape:
    """What is exposed of one loaded run."""

    run: str
    f1: Mapping[str, float]
    """By class, from the run's own report."""
    breaker_open: bool


@dataclass(frozen=True, slots=True)
class Scrape:
    """Everything that one answer to /metrics says, at one moment."""

    identity: Identity
    stages: tuple[StageCounts, ...]
    revision: int
    refused: Mapping[Refusal, int]
    runs: tuple[RunOnScrape, ...]
    run_refused: Mapping[str, bool] = field(default_factory=dict)
    """By named run, whether it was refused when it was last read."""


@dataclass(frozen=True, slots=True)
class _Family:
    name: str
    help: str
    label: tuple[str, ...]
    values: Callable[[ArmCounts], Iterable[tuple[tuple[str, ...], float]]]


def _by(counts: Mapping[_K, int]) -> list[tuple[tuple[str, ...], float]]:
    return [((str(value),), number) for value, number in counts.items()]


def _requests(counts: ArmCounts) -> list[tuple[tuple[str, ...], float]]:
    return _by(counts.requests)


def _source(counts: ArmCounts) -> list[tuple[tuple[str, ...], float]]:
    return _by(counts.source)


_FAMILIES: Final = (
    _Family(
        names.PREDICTIONS,
        "Answers to users in the canary that were available and over their threshold, by whether they were used.",
        ("accepted",),
        lambda counts: _by(counts.predictions),
    ),
    _Family(names.FALLBACK, "Why the run did not answer.", ("reason",), lambda counts: _by(counts.fallback)),
    _Family(
        names.COMPARE,
        "Comparisons of the run's first label with the control answer.",
        ("agree",),
        lambda counts: _by(counts.compare),
    ),
    _Family(names.REQUESTS, "Requests for a prediction, by whether the run could be asked.", ("available",), _requests),
    _Family(names.REQUESTS_ALIAS, f"The same as {names.REQUESTS}.", ("available",), _requests),
    _Family(names.SOURCE, "Who answered; shadow: compared and not shown.", ("source",), _source),
    _Family(names.SOURCE_ALIAS, f"The same as {names.SOURCE}.", ("source",), _source),
    _Family(
        names.FAILURES,
        "Predictions that raised, gave no number, or took too long.",
        (),
        lambda counts: [((), counts.failures)],
    ),
    _Family(
        names.USERS_COMPARE,
        "Comparisons, once per user, run and stage.",
        ("agree",),
        lambda counts: _by(counts.users),
    ),
    _Family(
        names.CLASS_COMPARE,
        "Comparisons by the run's first label.",
        ("class", "agree"),
        lambda counts: [((label, agree.value), number) for (label, agree), number in counts.classes.items()],
    ),
    _Family(
        names.LOW_CONFIDENCE,
        "Predictions under their class's threshold.",
        ("class",),
        lambda counts: _by(counts.low_confidence),
    ),
    _Family(
        names.FEEDBACK,
        "What users said, in the arm and stage of the answer.",
        ("outcome",),
        lambda counts: _by(counts.feedback),
    ),
)


@dataclass(frozen=True, slots=True)
class _Form:
    """A text without its numbers."""

    series: tuple[tuple[str, ...], ...]
    """Name and label values of each, in order."""
    beginnings: tuple[str, ...]
    """What stands before each number."""
    end: str


class Exposition:
    """Writes scrapes in the text format, version 0.0.4.

    Writing 300 series out takes 5 ms, nearly all of it for what is the same every time. So the text is remembered as
    prometheus_client wrote it, and only its numbers are written anew, until series come or go.
    """

    def __init__(self) -> None:
        self._form: _Form | None = None

    def write(self, scrape: Scrape) -> bytes | None:
        """Answer the text, quickly; None where the series are not those of the last `learn`."""
        form = self._form
        samples = [sample for metric in _Collected(scrape).collect() for sample in metric.samples]
        if form is None or form.series != _series(samples):
            return None
        lines = [
            f"{beginning}{_number(sample.value)}\n" for beginning, sample in zip(form.beginnings, samples, strict=True)
        ]
        return "".join([*lines, form.end]).encode()

    def learn(self, scrape: Scrape) -> bytes:
        """Answer the text, slowly, giving way to other threads; from now on `write` knows its series."""
        with giving_way() as pause:
            collected = _Collected(scrape, pause)
            registry = CollectorRegistry(auto_describe=False)
            registry.register(collected)
            text = generate_latest(registry)
            samples = [sample for metric in collected.collect() for sample in metric.samples]
            self._form = _form(text.decode(), _series(samples))
        return text


def _number(value: float) -> str:
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


def _series(samples: Iterable[Sample]) -> tuple[tuple[str, ...], ...]:
    return tuple([(sample.name, *sample.labels.values()) for sample in samples])


def _form(text: str, series: tuple[tuple[str, ...], ...]) -> _Form:
    beginnings, waiting = [], ""
    # Labels may hold other signs that end lines elsewhere.
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("#"):
            waiting += line + "\n"
        else:
            beginnings.append(waiting + line[: line.rindex(" ") + 1])
            waiting = ""
    return _Form(series, tuple(beginnings), waiting)


class _Collected(Collector):
    def __init__(self, scrape: Scrape, pause: Callable[[], None] | None = None) -> None:
        self._scrape, self._pause = scrape, pause

    def collect(self) -> Iterator[Metric]:
        for metric in self._families():
            yield metric
            if self._pause is not None:
                self._pause()

    def _families(self) -> Iterator[Metric]:
        scrape = self._scrape
        identity = scrape.identity
        process = (identity.model, identity.uid, identity.pod, identity.process)
        arms = [
            ((*process, stage.key.run_id, str(stage.key.stage), arm.value), counts)
            for stage in scrape.stages
            for arm, counts in stage.arms.items()
        ]
        for family in _FAMILIES:
            yield _counter(family, arms)
        yield _latency(arms)
        yield from _of_process(scrape, process)


def _counter(family: _Family, arms: Iterable[tuple[tuple[str, ...], ArmCounts]]) -> Metric:
    metric = CounterMetricFamily(family.name, family.help, labels=(*_PROCESS_LABELS, *_TRIAL_LABELS, *family.label))
    for labels, counts in arms:
        for own, value in family.values(counts):
            metric.add_metric((*labels, *own), value)
    return metric


def _latency(arms: Iterable[tuple[tuple[str, ...], ArmCounts]]) -> Metric:
    metric = HistogramMetricFamily(
        names.LATENCY, "Seconds that one prediction took.", labels=(*_PROCESS_LABELS, *_TRIAL_LABELS)
    )
    bounds = [*map(str, BUCKETS), "+Inf"]
    for labels, counts in arms:
        cumulative = accumulate(counts.latency)
        buckets = list(zip(bounds, map(float, cumulative), strict=True))
        metric.add_metric(labels, buckets=buckets, sum_value=counts.latency_seconds)
    return metric


def _of_process(scrape: Scrape, process: tuple[str, ...]) -> Iterator[Metric]:
    revision = GaugeMetricFamily(
        names.REVISION, "The routing revision in use, -1 before the first.", labels=_PROCESS_LABELS
    )
    revision.add_metric(process, scrape.revision)
    yield revision
    refused = CounterMetricFamily(
        DOCUMENTS_REFUSED, "Routing documents that were not taken.", labels=(*_PROCESS_LABELS, "reason")
    )
    for reason, number in scrape.refused.items():
        refused.add_metric((*process, reason.value), number)
    yield refused
    run_refused = GaugeMetricFamily(
        names.RUN_REFUSED,
        "1 while a named run was refused when it was last read; /ml/status says why.",
        labels=(*_PROCESS_LABELS, names.SERIES_RUN),
    )
    for name, is_refused in scrape.run_refused.items():
        run_refused.add_metric((*process, name), float(is_refused))
    yield run_refused
    f1 = GaugeMetricFamily(
        names.RUN_F1, "F1 by class, from the run's own report.", labels=(*_PROCESS_LABELS, names.SERIES_RUN, "class")
    )
    breaker = GaugeMetricFamily(
        names.BREAKER_OPEN, "1 while the run is not asked.", labels=(*_PROCESS_LABELS, names.SERIES_RUN)
    )
    for run in scrape.runs:
        breaker.add_metric((*process, run.run), float(run.breaker_open))
        for label, value in run.f1.items():
            f1.add_metric((*process, run.run, label), value)
    yield f1
    yield breaker
