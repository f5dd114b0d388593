"""Metrics of each SuggestionModel, as kube-state-metrics has them for the objects of Kubernetes.

They are made from the last check of a resource at every scrape. Nothing else is kept of it, so that the series of a run
or a gate end with it, and those of a resource when it is deleted.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from serin_core.api.gate_status import GateStatus
from serin_core.api.status import Condition, Phase, Status, ready_of
from serin_core.counting.number import NO_DATA
from serin_core.counting.reading import Unreadable
from serin_core.evidence.counts import Verdict
from serin_core.model.inputs import FEATURES
from serin_core.model.manifest import parse_run_name
from serin_core.rollout.observation import NOT_ASKED, NoAnswer, Observed
from serin_core.rollout.table import TABLE, State
from serin_core.rollout.transition import ALL_USERS
from serin_operator.exposition import Series, SeriesText, Values
from serin_operator.interfaces import BusyError, ClusterError, ConflictError, RefusedError

PREFIX: Final = "serin_suggestionmodel_"
RULES: Final = "rules"
"""The serin_run of the rules, as in the metrics of the server."""
PROMOTED: Final = "Promoted"
_WITHDRAWN: Final = (State.ROLLED_BACK, State.STOPPED)
ROLLBACKS: Final = tuple(dict.fromkeys(row.event for row in TABLE if row.target in _WITHDRAWN))
CAUSES: Final = ("Conflict", "Refused", "Busy", "ApiServer", "Timeout", "Internal", "PodUnreachable", "CheckEndpoint")
"""Causes of errors that are exposed from the start; readings of Prometheus add `Prometheus` and their reason."""
_KINDS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (ConflictError, "Conflict"),
    (RefusedError, "Refused"),
    (BusyError, "Busy"),
    (ClusterError, "ApiServer"),
    (TimeoutError, "Timeout"),
)


def cause_of(error: Exception) -> str:
    """Return the cause under which an exception of a reconcile is counted."""
    return next((cause for kind, cause in _KINDS if isinstance(error, kind)), "Internal")


def causes(observed: Observed) -> Iterator[str]:
    """Yield the causes of what could not be read in a pass."""
    is_read = observed.has_new_reading and observed.reading != NOT_ASKED
    if is_read and isinstance(observed.reading, Unreadable):
        yield f"Prometheus{observed.reading.reason}"
    else:
        results = (one for one in observed.queries.values() if isinstance(one, Unreadable) and one != NO_DATA)
        yield from (f"Prometheus{one.reason}" for one in results)
    failed = (answer for answer in observed.check_answers if answer.verdict is None)
    yield from ("CheckEndpoint" for _ in failed)
    yield from ("PodUnreachable" for pod in observed.pods if pod.started and isinstance(pod.report, NoAnswer))


@dataclass(slots=True)
class _Seen:
    """What is known of one resource."""

    status: Status | None = None
    ready: Condition | None = None
    ready_since: datetime | None = None
    checked_at: datetime | None = None
    counted_at: datetime | None = None
    promotions: int = 0
    rollbacks: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def gates(self) -> tuple[GateStatus, ...]:
        return () if self.status is None else self.status.gates


def _time(moment: datetime | None) -> Values:
    return [] if moment is None else [((), moment.timestamp())]


def _info(seen: _Seen) -> Values:
    if seen.status is not None:
        stable, candidate = seen.status.stable, seen.status.candidate
        yield (("" if candidate is None else candidate.run_id, RULES if stable is None else stable.run_id), 1.0)


def _phases(seen: _Seen) -> Values:
    if seen.status is not None:
        yield from (((phase.value,), float(phase is seen.status.phase)) for phase in Phase)


def _percents(seen: _Seen) -> Values:
    if seen.status is not None:
        stable, rollout = seen.status.stable, seen.status.rollout
        percent = 0.0 if rollout is None else rollout.served_percent
        if rollout is not None:
            yield ((rollout.run_id,), percent)
        if stable is None or rollout is None or stable.run_id != rollout.run_id:
            yield ((RULES if stable is None else stable.run_id,), ALL_USERS - percent)


def _actual_percents(seen: _Seen) -> Values:
    rollout = None if seen.status is None else seen.status.rollout
    share = None if seen.status is None else seen.status.actual_share
    if rollout is not None and share is not None:
        found = {"users": share.users, "requests": share.requests}
        yield from (((rollout.run_id, unit), percent) for unit, percent in found.items() if percent is not None)


def _is_confirmed(seen: _Seen) -> Values:
    if seen.status is not None and seen.status.propagation.revision:
        yield ((), float(seen.status.propagation.confirmed))


def _stage_start(seen: _Seen) -> Values:
    rollout = None if seen.status is None else seen.status.rollout
    return _time(None if rollout is None else rollout.stage_started_at)


def _created(seen: _Seen) -> Values:
    """Return the time in the name of the stable run, and of the run of a rollout."""
    if seen.status is not None:
        runs = (one.run_id for one in (seen.status.stable, seen.status.rollout) if one is not None)
        yield from (((run,), float(parse_run_name(run)[1])) for run in dict.fromkeys(runs))


def _transitions(seen: _Seen) -> Values:
    """Return the time of the latest transition of each event that is still in the history."""
    if seen.status is not None:
        latest = {entry.event: entry for entry in seen.status.history}
        yield from (((entry.run_id, event), entry.at.timestamp()) for event, entry in latest.items())


def _ready(seen: _Seen) -> Values:
    if seen.ready is not None:
        yield ((seen.ready.status, seen.ready.reason), 1.0)


def _drifted(seen: _Seen) -> Values:
    drift = None if seen.status is None else seen.status.drift
    if drift is not None and drift.drifted != "Unknown":
        yield from (((drift.run_id, feature), float(feature in drift.features)) for feature in FEATURES)


def _numbers(name: str) -> Callable[[_Seen], Values]:
    """Return the values of a number of each gate that has it."""

    def values(seen: _Seen) -> Values:
        for gate in seen.gates:
            if (number := getattr(gate, name)) is not None:
                yield (gate.name,), float(number)

    return values


def _query_values(seen: _Seen) -> Values:
    for gate in seen.gates:
        if gate.query is not None and gate.query.value is not None:
            yield (gate.name,), gate.query.value


def _bounds(seen: _Seen) -> Values:
    for gate in seen.gates:
        within = gate.within
        bounds = {
            "atLeast": gate.at_least if within is None else within.low,
            "atMost": gate.at_most if within is None else within.high,
            "oddsRatio": gate.odds_ratio,
        }
        yield from (((gate.name, bound), value) for bound, value in bounds.items() if value is not None)


def _verdicts(seen: _Seen) -> Values:
    for gate in seen.gates:
        yield from (((gate.name, gate.role.value, one.value), float(one is gate.verdict)) for one in Verdict)


def _rollbacks(seen: _Seen) -> Values:
    return (((event,), float(seen.rollbacks[event])) for event in dict.fromkeys((*ROLLBACKS, *seen.rollbacks)))


def _errors(seen: _Seen) -> Values:
    return (((cause,), float(seen.errors[cause])) for cause in dict.fromkeys((*CAUSES, *seen.errors)))


SERIES: Final[tuple[Series[_Seen], ...]] = (
    Series(f"{PREFIX}info", ("candidate", "stable"), "Runs of the resource; always 1.", _info),
    Series(f"{PREFIX}phase", ("phase",), "1 for the phase of the resource, 0 for every other one.", _phases),
    Series(f"{PREFIX}wanted_percent", ("serin_run",), "Percent of users that a run is to serve.", _percents),
    Series(
        f"{PREFIX}actual_percent",
        ("serin_run", "of"),
        "Percent of users and of requests that the candidate served in the current stage.",
        _actual_percents,
    ),
    Series(f"{PREFIX}routing_confirmed", (), "1 if every pod serves the decided routing, else 0.", _is_confirmed),
    Series(f"{PREFIX}stage_start_timestamp_seconds", (), "Time at which the stage started.", _stage_start),
    Series(
        f"{PREFIX}run_created_timestamp_seconds",
        ("serin_run",),
        "Time at which a run was made, from its name.",
        _created,
    ),
    Series(
        f"{PREFIX}last_transition_timestamp_seconds",
        ("serin_run", "event"),
        "Time of the last transition of each event in the history.",
        _transitions,
    ),
    Series(f"{PREFIX}ready_info", ("status", "reason"), "Status and reason of the condition Ready; always 1.", _ready),
    Series(
        f"{PREFIX}ready_reason_since_timestamp_seconds",
        (),
        "Time since which Ready has its reason.",
        lambda seen: _time(seen.ready_since),
    ),
    Series(
        f"{PREFIX}drifted",
        ("serin_run", "feature"),
        "1 for each feature whose inputs have drifted, else 0; none if that is not known.",
        _drifted,
    ),
    Series(f"{PREFIX}gate_estimate", ("gate",), "Estimate of a gate in the current stage.", _numbers("estimate")),
    Series(f"{PREFIX}gate_lower", ("gate",), "Lower end of the 95 percent confidence sequence.", _numbers("lower")),
    Series(f"{PREFIX}gate_upper", ("gate",), "Upper end of the 95 percent confidence sequence.", _numbers("upper")),
    Series(
        f"{PREFIX}gate_events", ("gate",), "Events that a gate has counted in the current stage.", _numbers("total")
    ),
    Series(f"{PREFIX}gate_query_value", ("gate",), "Last result of a query gate; none without one.", _query_values),
    Series(f"{PREFIX}gate_bound", ("gate", "bound"), "Bound that a gate requires.", _bounds),
    Series(
        f"{PREFIX}gate_verdict",
        ("gate", "role", "verdict"),
        "1 for the verdict of a gate, 0 for the others.",
        _verdicts,
    ),
    Series(
        f"{PREFIX}promotions_total", (), "Promotions.", lambda seen: [((), float(seen.promotions))], is_counter=True
    ),
    Series(f"{PREFIX}rollbacks_total", ("event",), "Rollbacks by event.", _rollbacks, is_counter=True),
    Series(f"{PREFIX}errors_total", ("cause",), "Errors of checks by cause.", _errors, is_counter=True),
    Series(
        f"{PREFIX}last_check_timestamp_seconds",
        (),
        "Time of the last check that came to a decision.",
        lambda seen: _time(seen.checked_at),
    ),
    Series(
        f"{PREFIX}last_counts_timestamp_seconds",
        (),
        "Time at which the counts of a stage could last be read.",
        lambda seen: _time(seen.counted_at),
    ),
)


class ResourceMetrics:
    """The last check of every resource, by namespace and name."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], _Seen] = {}
        self.exposition = SeriesText(SERIES, self._seen)

    def record_check(self, namespace: str, name: str, status: Status, now: datetime, *, is_counted: bool) -> None:
        """Record the status after a check; `is_counted`: the counts of a stage could be read."""
        seen = self._of(namespace, name)
        seen.status, seen.checked_at, seen.ready_since = status, now, status.ready_reason_since
        seen.ready = status.ready
        if is_counted:
            seen.counted_at = now

    def record_transition(self, namespace: str, name: str, before: Status, after: Status) -> None:
        """Count a promotion or a rollback, if the pass took one."""
        if not after.history or after.history[-1:] == before.history[-1:]:
            return
        seen, event = self._of(namespace, name), after.history[-1].event
        seen.promotions += event == PROMOTED
        known = {(one.run_id, one.at) for one in before.rejected}
        if any((one.run_id, one.at) not in known for one in after.rejected):
            seen.rollbacks[event] += 1

    def record_invalid(self, namespace: str, name: str, conditions: Iterable[Condition]) -> None:
        """Record the conditions of a resource that cannot be decided about."""
        seen = self._of(namespace, name)
        before, seen.ready = seen.ready, ready_of(conditions)
        if seen.ready is not None and (before is None or before.reason != seen.ready.reason):
            seen.ready_since = seen.ready.last_transition_time

    def record_error(self, namespace: str, name: str, cause: str) -> None:
        """Count an error of a check."""
        self._of(namespace, name).errors[cause] += 1

    def forget(self, namespace: str, name: str) -> None:
        """Remove the series of a resource that was deleted."""
        self._seen.pop((namespace, name), None)
        self.exposition.changed((namespace, name))

    def clear(self) -> None:
        """Remove the series of all resources: another operator has them."""
        self._seen.clear()
        self.exposition.clear()

    def _of(self, namespace: str, name: str) -> _Seen:
        self.exposition.changed((namespace, name))
        return self._seen.setdefault((namespace, name), _Seen())
