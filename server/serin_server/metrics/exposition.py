"""The text format of Prometheus; docs/metrics.md describes each series.

The input is a frozen Scrape, so it can be rendered in a thread while requests go on.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from serin_core.contract import names
from serin_core.model.report import Recalibration
from serin_server.metrics.counters import BUCKETS, ArmCounts, Refusal, StageCounts
from serin_server.runs.gil_yield import yielding_gil

DOCUMENTS_REFUSED: Final = "serin_documents_refused_total"
OVERLOADS: Final = "serin_overload_refusals_total"

_MAX_SERIES_AT_ONCE: Final = 2000
"""Series that are written on the event loop: about 10 ms."""
_PROCESS_LABELS: Final = (names.SERIES_MODEL, names.SERIES_UID, names.SERIES_POD, names.SERIES_PROCESS)
_STAGE_LABELS: Final = (names.SERIES_RUN, names.SERIES_STAGE, names.SERIES_ARM)


@dataclass(frozen=True, slots=True)
class Identity:
    """The labels of all series of one process."""

    model: str
    uid: str
    pod: str
    process: str


@dataclass(frozen=True, slots=True)
class RunOnScrape:
    """The metrics of one loaded run."""

    run: str
    f1: Mapping[str, float]
    """By class, from the run's report."""
    breaker_open: bool
    class_shares: Mapping[str, float] = field(default_factory=dict)
    """Share of the rows of its evaluation by predicted class, from the run's report."""
    recalibration: Recalibration | None = None
    """From the run's report; None if labels from service have not corrected its confidence."""
    input_rows: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Rows of its evaluation by feature and bin, from the run's report."""
    inputs: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Transactions that it was asked to predict, by feature and bin."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """Everything that one response of /metrics contains, at one moment."""

    identity: Identity
    stages: tuple[StageCounts, ...]
    revision: int
    refused: Mapping[Refusal, int]
    runs: tuple[RunOnScrape, ...]
    run_refused: Mapping[str, bool] = field(default_factory=dict)
    """For each wanted run, whether it was refused when last read."""
    is_unsupervised: bool = False
    """Whether the candidate answers nobody, because no operator watches it."""
    silence: float = 0.0
    """Seconds since the operator asked for the pod's status."""
    overloads: int = 0
    """Requests and connections that were refused because the process had no room for them."""


@dataclass(frozen=True, slots=True)
class _Family:
    name: str
    help: str
    label: tuple[str, ...]
    values: Callable[[ArmCounts], Mapping[Any, int]]
    """Counts by the value of `label`; by a tuple if there are several labels, or none."""


_FAMILIES: Final = (
    _Family(
        names.PREDICTIONS,
        "Suggestions, by whether the run was shown.",
        ("accepted",),
        lambda counts: counts.predictions,
    ),
    _Family(
        names.CONFIDENT,
        "Predictions for users in the canary at or above their threshold, by whether they were shown.",
        ("shown",),
        lambda counts: counts.confident,
    ),
    _Family(
        names.FALLBACK,
        "Suggestions for which the run was not shown, by reason.",
        ("reason",),
        lambda counts: counts.fallback,
    ),
    _Family(
        names.COMPARE,
        "Comparisons of the prediction with the control answer.",
        ("agree",),
        lambda counts: counts.compare,
    ),
    _Family(
        names.REQUESTS,
        "Transactions that need a prediction, by whether the run was available.",
        ("available",),
        lambda counts: counts.requests,
    ),
    _Family(names.REQUESTS_ALIAS, f"Alias of {names.REQUESTS}.", ("available",), lambda counts: counts.requests),
    _Family(
        names.SOURCE,
        "Transactions by source of the answer; shadow: compared and not shown.",
        ("source",),
        lambda counts: counts.source,
    ),
    _Family(names.SOURCE_ALIAS, f"Alias of {names.SOURCE}.", ("source",), lambda counts: counts.source),
    _Family(names.FAILURES, "Failed predictions (exception, NaN, timeout).", (), lambda counts: {(): counts.failures}),
    _Family(
        names.USERS_COMPARE,
        "Comparisons of the prediction with the control answer, once per user, run and stage.",
        ("agree",),
        lambda counts: counts.users,
    ),
    _Family(
        names.CLASS_COMPARE,
        "Comparisons of the prediction with the control answer, by predicted class.",
        (names.SERIES_CLASS, "agree"),
        lambda counts: counts.classes,
    ),
    _Family(
        names.LOW_CONFIDENCE,
        "Predictions below the threshold of their class.",
        (names.SERIES_CLASS,),
        lambda counts: counts.low_confidence,
    ),
    _Family(
        names.FEEDBACK,
        "Feedback of users, in the arm and stage of the suggestion.",
        ("outcome",),
        lambda counts: counts.feedback,
    ),
)


@dataclass(frozen=True, slots=True)
class _Template:
    """A rendered text without its values."""

    series: tuple[tuple[str, ...], ...]
    """Name and label values of each series, in order."""
    prefixes: tuple[str, ...]
    """The text before each value."""
    end: str


class Exposition:
    """Renders scrapes in the text format, version 0.0.4.

    Rendering 300 series takes 5 ms, mostly for text that never changes. So the text of prometheus_client is kept, and
    only its values are replaced, until the set of series changes.
    """

    def __init__(self) -> None:
        self._template: _Template | None = None

    @property
    def is_large(self) -> bool:
        """Whether `write` would keep the event loop for too long, as with hundreds of classes."""
        return self._template is not None and len(self._template.series) > _MAX_SERIES_AT_ONCE

    def render(self, scrape: Scrape) -> bytes:
        """Return the text, and keep what does not change. Slow; yields to other threads."""
        with yielding_gil():
            return self.write(scrape) or self.learn(scrape)

    def write(self, scrape: Scrape) -> bytes | None:
        """Return the text; None if the series are not those of the last `learn`. Fast."""
        template = self._template
        samples = [sample for metric in _Collected(scrape).collect() for sample in metric.samples]
        if template is None or template.series != _series(samples):
            return None
        lines = [
            f"{prefix}{_number(sample.value)}\n" for prefix, sample in zip(template.prefixes, samples, strict=True)
        ]
        return "".join([*lines, template.end]).encode()

    def learn(self, scrape: Scrape) -> bytes:
        """Return the text, and keep it for `write`. Slow; yields to other threads."""
        with yielding_gil() as pause:
            collected = _Collected(scrape, pause)
            registry = CollectorRegistry(auto_describe=False)
            registry.register(collected)
            text = generate_latest(registry)
            samples = [sample for metric in collected.collect() for sample in metric.samples]
            self._template = _template(text.decode(), _series(samples))
        return text


def _number(value: float) -> str:
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


def _series(samples: Iterable[Sample]) -> tuple[tuple[str, ...], ...]:
    return tuple([(sample.name, *sample.labels.values()) for sample in samples])


def _template(text: str, series: tuple[tuple[str, ...], ...]) -> _Template:
    prefixes, waiting = [], ""
    # Not splitlines: labels may contain other line separators.
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("#"):
            waiting += line + "\n"
        else:
            prefixes.append(waiting + line[: line.rindex(" ") + 1])
            waiting = ""
    return _Template(series, tuple(prefixes), waiting)


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
    metric = CounterMetricFamily(family.name, family.help, labels=(*_PROCESS_LABELS, *_STAGE_LABELS, *family.label))
    for labels, counts in arms:
        for key, value in family.values(counts).items():
            extra = map(str, key) if isinstance(key, tuple) else (str(key),)
            metric.add_metric((*labels, *extra), value)
    return metric


def _latency(arms: Iterable[tuple[tuple[str, ...], ArmCounts]]) -> Metric:
    metric = HistogramMetricFamily(
        names.LATENCY,
        "Latency of predictions in seconds, failures included.",
        labels=(*_PROCESS_LABELS, *_STAGE_LABELS),
    )
    bounds = [*map(str, BUCKETS), "+Inf"]
    for labels, counts in arms:
        cumulative = accumulate(counts.latency)
        buckets = list(zip(bounds, map(float, cumulative), strict=True))
        metric.add_metric(labels, buckets=buckets, sum_value=counts.latency_seconds)
    return metric


def _of_process(scrape: Scrape, process: tuple[str, ...]) -> Iterator[Metric]:
    revision = _gauge(names.REVISION, "Revision of the routing document in use, -1 before the first.")
    revision.add_metric(process, scrape.revision)
    yield revision
    checked = sorted(names.CHECKED_LABELS)
    check = _gauge(names.LABEL_CHECK, "1; each label of the series of a stage, with its own name as value.", *checked)
    check.add_metric((*process, *checked), 1)
    yield check
    unsupervised = _gauge(names.UNSUPERVISED, "1 while the candidate answers no user, because no operator watches it.")
    unsupervised.add_metric(process, float(scrape.is_unsupervised))
    yield unsupervised
    silence = _gauge(names.OPERATOR_SILENCE, "Seconds since the operator asked for the status of the pod.")
    silence.add_metric(process, scrape.silence)
    yield silence
    refused = CounterMetricFamily(
        DOCUMENTS_REFUSED, "Routing documents that were rejected, by reason.", labels=(*_PROCESS_LABELS, "reason")
    )
    for reason, number in scrape.refused.items():
        refused.add_metric((*process, reason.value), number)
    yield refused
    overloads = CounterMetricFamily(
        OVERLOADS, "Requests and connections refused while the process was overloaded.", labels=_PROCESS_LABELS
    )
    overloads.add_metric(process, scrape.overloads)
    yield overloads
    run_refused = _gauge(
        names.RUN_REFUSED, "1 if the run was refused when last read; /ml/status has the reason.", names.SERIES_RUN
    )
    for name, is_refused in scrape.run_refused.items():
        run_refused.add_metric((*process, name), float(is_refused))
    yield run_refused
    by_class = (names.SERIES_RUN, names.SERIES_CLASS)
    f1 = _gauge(names.RUN_F1, "F1 by class, from the report of the run.", *by_class)
    shares = _gauge(names.RUN_CLASS_SHARE, "Share of the rows of its evaluation by predicted class.", *by_class)
    breaker = _gauge(names.BREAKER_OPEN, "1 while the circuit breaker of the run is open.", names.SERIES_RUN)
    labels = _gauge(
        names.RUN_LABELS, "Labels from service that corrected its confidence, 0 without a correction.", names.SERIES_RUN
    )
    correction = _gauge(
        names.RUN_CORRECTION, "Mean change of confidence by its correction, on these labels.", names.SERIES_RUN
    )
    by_bin = (names.SERIES_RUN, names.SERIES_FEATURE, names.SERIES_BIN)
    rows = _gauge(names.RUN_INPUT_ROWS, "Rows of its evaluation by feature and bin.", *by_bin)
    inputs = CounterMetricFamily(
        names.INPUTS, "Transactions that the run has predicted, by feature and bin.", labels=(*_PROCESS_LABELS, *by_bin)
    )
    for run in scrape.runs:
        for family, counted in ((rows, run.input_rows), (inputs, run.inputs)):
            for feature, bins in counted.items():
                for name, number in bins.items():
                    family.add_metric((*process, run.run, feature, name), number)
        found = run.recalibration
        labels.add_metric((*process, run.run), 0 if found is None else found.labels)
        change = 0.0 if found is None else found.confidence_after - found.confidence_before
        correction.add_metric((*process, run.run), change)
        breaker.add_metric((*process, run.run), float(run.breaker_open))
        for label, value in run.f1.items():
            f1.add_metric((*process, run.run, label), value)
        for label, value in run.class_shares.items():
            shares.add_metric((*process, run.run, label), value)
    yield f1
    yield shares
    yield labels
    yield correction
    yield breaker
    yield rows
    yield inputs


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=(*_PROCESS_LABELS, *labels))
