"""Traffic of a simulated rollout as a user describes it, and the counts that it makes.

Requests come evenly at the rate of their hour, and users are in the canary by their exact share; so the number of
counted requests follows from the description, and only their outcomes are random. A user is counted once a stage, with
one outcome; the expected number of users seen after V visits of U users is U (1 - e^(-V/U)). Without a shared store
each of R processes counts its own users and the counts are divided by R: U (1 - e^(-V/(R U))). The same seed gives the
same counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import exp
from random import Random
from typing import Final

from serin_core.api.gate_names import GateName
from serin_core.counting.reading import Unreadable
from serin_simulation.sampling import binomial, visited
from serin_simulation.stage_checks import Pairs

SILENT: Final = Unreadable("Unreachable", "Prometheus does not answer")
_AVAILABILITY: Final = GateName.AVAILABILITY.value
_ERRORS: Final = GateName.ERRORS.value
_LATENCY: Final = GateName.LATENCY.value
_AGREEMENT: Final = GateName.AGREEMENT.value
_ACCEPTED_RATIO: Final = GateName.ACCEPTED_RATIO.value
_LOW_CONFIDENCE: Final = GateName.LOW_CONFIDENCE.value
_FALLBACK: Final = GateName.FALLBACK.value
_HOUR: Final = timedelta(hours=1)
_HOURS: Final = 24


@dataclass(frozen=True, slots=True)
class Rates:
    """How requests turn out: shares, from 0 to 1."""

    agreement: float = 0.85
    """Of first comparisons of a user, or of comparisons: those that agree with the control answer."""
    availability: float = 1.0
    errors: float = 0.0
    """Of those that were available: raised, gave no number, or took too long."""
    fast: float = 0.999
    """Of attempts: took at most 0.1 s."""
    eligible: float = 0.9
    """Of answers: over their class's threshold."""
    accepted: float = 1.0
    """Of eligible answers in the canary: shown."""
    feedback: float = 0.0
    """Of answers: rated by the user."""
    liked: float = 0.9
    """Of ratings in the canary: accepted."""
    liked_control: float = 0.9
    """The same in the control group."""
    own: Mapping[str, float] = field(default_factory=dict)
    """By custom gate: good."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests, users and events of a simulated rollout. Times are since the first stage began."""

    per_second: tuple[float, ...] = (20.0,)
    """Requests a second: one number, or one for each hour of the day."""
    users: int = 5000
    requests_per_visit: int = 1
    """How many requests a user makes in a row."""
    correlation: float = 0.0
    """Between two outcomes of the same user (ICC): 0 where all users are alike."""
    rates: Rates = field(default_factory=Rates)
    harmed: Rates | None = None
    """The rates after the harm has begun."""
    harm_at: timedelta = timedelta()
    promised: float | None = None
    """Share of answers over their thresholds that the run's report states; `eligible` if None."""
    classes: int = 10
    """Number of classes, equally frequent."""
    outages: tuple[tuple[timedelta, timedelta], ...] = ()
    """When Prometheus is unreachable, and for how long."""
    restarts_per_day: float = 0.0
    """Of pods: what was counted after their last scrape is lost."""
    scrape: timedelta = timedelta(seconds=15)
    processes: int = 2
    has_shared_store: bool = False

    def requests_until(self, since: datetime, now: datetime) -> float:
        """Return the number of requests in a span of time."""
        if len(self.per_second) == 1:
            return self.per_second[0] * (now - since).total_seconds()
        whole, at = 0.0, since
        while at < now:
            end = min(now, at.replace(minute=0, second=0, microsecond=0) + _HOUR)
            whole += self.per_second[at.hour] * (end - at).total_seconds()
            at = end
        return whole


class TrafficSource:
    """Counts of one rollout, drawn as they are read.

    Agreement counts users, as the gate does; with `by_request` it counts requests, as a ratio of rates would.
    """

    def __init__(self, traffic: Traffic, rng: Random, *, first: datetime, by_request: bool = False) -> None:
        self._traffic, self._rng, self._first, self._by_request = traffic, rng, first, by_request
        self.begin(0.0, first)

    def begin(self, percent: float, now: datetime) -> None:
        """A stage begins: all counts start from zero."""
        self._percent, self._at = percent, now
        self._came = 0.0
        self._requests = self._users = 0
        self._counts: dict[str, tuple[float, float]] = {}

    def read(self, now: datetime) -> Pairs | Unreadable:
        """Return what Prometheus would return now."""
        self._advance(now)
        age = now - self._first
        if any(at <= age < at + lasting for at, lasting in self._traffic.outages):
            return SILENT
        return dict(self._counts)

    def _rates(self, now: datetime) -> Rates:
        harmed = self._traffic.harmed
        return harmed if harmed is not None and now - self._first > self._traffic.harm_at else self._traffic.rates

    def _advance(self, now: datetime) -> None:
        traffic = self._traffic
        if now <= self._at:
            return
        self._came += traffic.requests_until(self._at, now)
        arrived = int(self._came) - self._requests
        self._requests += arrived
        share = 1.0 if self._percent == 0 else self._percent / 100
        in_canary = int(self._requests * share) - int((self._requests - arrived) * share)
        rates = self._rates(now)
        lost = self._lost(now)
        self._draw_requests(rates, max(in_canary - int(lost * share), 0))
        self._draw_comparisons(rates, max(arrived - lost, 0))
        self._draw_feedback(rates, in_canary, arrived - in_canary)
        for name, good in rates.own.items():
            self._add(name, binomial(arrived, good, self._rng), arrived)
        self._at = now

    def _draw_requests(self, rates: Rates, n: int) -> None:
        """Draw what is counted on the canary alone, if there is one."""
        rng = self._rng
        available = binomial(n, rates.availability, rng)
        failed = binomial(available, rates.errors, rng)
        self._add(_AVAILABILITY, available, n)
        self._add(_ERRORS, available - failed, available)
        self._add(_LATENCY, binomial(available, rates.fast, rng), available)
        if self._percent > 0:
            answered = available - failed
            eligible = binomial(answered, rates.eligible, rng)
            self._add(_ACCEPTED_RATIO, binomial(eligible, rates.accepted, rng), eligible)
            self._add(_LOW_CONFIDENCE, answered - eligible, answered)
            self._add(_FALLBACK, n - answered, n)

    def _draw_comparisons(self, rates: Rates, n: int) -> None:
        """Draw what is counted in both arms: users once, and classes by request."""
        traffic, rng = self._traffic, self._rng
        visits = self._requests // traffic.requests_per_visit
        processes = 1 if traffic.has_shared_store else traffic.processes
        seen = int(traffic.users * (1 - exp(-visits / (processes * traffic.users))))
        if self._by_request:
            self._add(_AGREEMENT, _of_visitors(n, traffic, rates.agreement, rng), n)
        else:
            self._add(_AGREEMENT, binomial(seen - self._users, rates.agreement, rng), seen - self._users)
        self._users = seen
        for place in range(traffic.classes):
            many = n // traffic.classes + (place < n % traffic.classes)
            good = _of_visitors(many, traffic, rates.agreement, rng)
            self._add(f"{GateName.PER_CLASS.value}/class-{place + 1}", good, many)

    def _draw_feedback(self, rates: Rates, canary: int, control: int) -> None:
        if not 0 < self._percent < 100 or rates.feedback == 0:  # noqa: PLR2004 - everybody
            return
        for arm, many, liked in (("canary", canary, rates.liked), ("control", control, rates.liked_control)):
            said = binomial(many, rates.feedback, self._rng)
            self._add(f"{GateName.FEEDBACK.value}/{arm}", binomial(said, liked, self._rng), said)

    def _lost(self, now: datetime) -> int:
        """Return the counts that restarting processes lose after their last scrape."""
        traffic = self._traffic
        if traffic.restarts_per_day == 0:
            return 0
        expected = traffic.restarts_per_day * ((now - self._at) / timedelta(days=1))
        if self._rng.random() >= 1 - exp(-expected):
            return 0
        rate = traffic.requests_until(self._at, now) / (now - self._at).total_seconds()
        return int(rate / traffic.processes * self._rng.random() * traffic.scrape.total_seconds())

    def _add(self, key: str, good: float, total: float) -> None:
        before = self._counts.get(key)
        self._counts[key] = (good, total) if before is None else (before[0] + good, before[1] + total)


def _of_visitors(many: int, traffic: Traffic, p: float, rng: Random) -> int:
    """Draw how many of a class's requests agree: whole visits of users with habits, and what is left of one."""
    if traffic.correlation <= 0:
        return binomial(many, p, rng)
    whole, left = divmod(many, traffic.requests_per_visit)
    return visited(whole, traffic.requests_per_visit, p, traffic.correlation, rng) + binomial(left, p, rng)
