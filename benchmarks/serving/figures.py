"""Figures of the benchmark and their targets."""

from dataclasses import asdict, dataclass
from statistics import median
from typing import Literal

from load import Load

Sense = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and the one it is compared with, from several alternating rounds of one run."""

    name: str
    unit: str
    own: tuple[float, ...]
    rival_name: str
    rival: tuple[float, ...]
    sense: Sense
    wanted: float

    @property
    def ratio(self) -> float:
        """Ratio of the medians over the rounds."""
        return median(self.own) / median(self.rival) if median(self.rival) else float("nan")

    @property
    def ratio_of_best(self) -> float:
        """Ratio of the best rounds."""
        best = max if self.sense == "at least" else min
        return best(self.own) / best(self.rival) if best(self.rival) else float("nan")

    @property
    def is_met(self) -> bool:
        """Whether the ratio of the medians meets the target."""
        return self.ratio >= self.wanted if self.sense == "at least" else self.ratio <= self.wanted

    def row(self) -> str:
        """Return a row of the table."""
        verdict = "yes" if self.is_met else "**no**"
        return (
            f"| {self.name} | {number(median(self.own))} {self.unit} | {self.rival_name}: {number(median(self.rival))} "
            f"| {ratio(self.ratio)} | {ratio(self.ratio_of_best)} | {self.sense} {self.wanted:g} | {verdict} |"
        )

    def facts(self) -> dict[str, object]:
        """Return it as JSON."""
        return asdict(self) | {"ratio": self.ratio, "ratio_of_best": self.ratio_of_best, "is_met": self.is_met}


@dataclass(frozen=True, slots=True)
class NotRun:
    """A figure that was not measured, and why."""

    name: str
    why: str

    def row(self) -> str:
        """Return a row of the table."""
        return f"| {self.name} | not run: {self.why} | | | | | |"

    def facts(self) -> dict[str, object]:
        """Return it as JSON."""
        return asdict(self)


def number(value: float) -> str:
    """Format a number."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratio(value: float) -> str:
    """Format a ratio."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2f}"


def rates(loads: list[Load]) -> tuple[float, ...]:
    """Return the requests per second of each round."""
    return tuple(load.rate for load in loads)


def p99s(loads: list[Load]) -> tuple[float, ...]:
    """Return the 99th percentile from the intended start, of each round."""
    return tuple(load.p99 for load in loads)


def p99s_from_sending(loads: list[Load]) -> tuple[float, ...]:
    """Return the 99th percentile from sending, of each round."""
    return tuple(load.p99_from_sending for load in loads)


HEAD = "| figure | serin | compared with | ratio | ratio of best rounds | target | met |\n|---|---|---|---|---|---|---|"
