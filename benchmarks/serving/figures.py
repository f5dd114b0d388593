"""What is wanted of the figures, and how a figure stands against it. Prints nothing, measures nothing."""

from dataclasses import asdict, dataclass
from statistics import median
from typing import Literal

from load import Load

Sense = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure beside its rival's, of one run. Several rounds each: alternating, so that both met the same noise."""

    name: str
    unit: str
    own: tuple[float, ...]
    rival_name: str
    rival: tuple[float, ...]
    sense: Sense
    wanted: float

    @property
    def ratio(self) -> float:
        """Answer the median of the own rounds against the median of the rival's."""
        return median(self.own) / median(self.rival) if median(self.rival) else float("nan")

    @property
    def ratio_of_best(self) -> float:
        """Answer the same of the best round of each."""
        best = max if self.sense == "at least" else min
        return best(self.own) / best(self.rival) if best(self.rival) else float("nan")

    @property
    def is_met(self) -> bool:
        """Answer whether the medians keep to what is wanted."""
        return self.ratio >= self.wanted if self.sense == "at least" else self.ratio <= self.wanted

    def row(self) -> str:
        """Answer a line of the table."""
        verdict = "yes" if self.is_met else "**no**"
        return (
            f"| {self.name} | {number(median(self.own))} {self.unit} | {self.rival_name}: {number(median(self.rival))} "
            f"| {ratio(self.ratio)} | {ratio(self.ratio_of_best)} | {self.sense} {self.wanted:g} | {verdict} |"
        )

    def facts(self) -> dict[str, object]:
        """Answer all of it as JSON holds it."""
        return asdict(self) | {"ratio": self.ratio, "ratio_of_best": self.ratio_of_best, "is_met": self.is_met}


@dataclass(frozen=True, slots=True)
class NotRun:
    """A figure that was not taken, and why."""

    name: str
    why: str

    def row(self) -> str:
        """Answer a line of the table."""
        return f"| {self.name} | not run: {self.why} | | | | | |"

    def facts(self) -> dict[str, object]:
        """Answer all of it as JSON holds it."""
        return asdict(self)


def number(value: float) -> str:
    """Answer a number as a person reads it."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def ratio(value: float) -> str:
    """Answer a ratio as a person reads it."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2f}"


def rates(loads: list[Load]) -> tuple[float, ...]:
    """Answer the requests a second of each round."""
    return tuple(load.rate for load in loads)


def p99s(loads: list[Load]) -> tuple[float, ...]:
    """Answer the 99th percentile from the intended start, of each round."""
    return tuple(load.p99 for load in loads)


def p99s_from_sending(loads: list[Load]) -> tuple[float, ...]:
    """Answer the 99th percentile as the tool tells it, of each round."""
    return tuple(load.p99_from_sending for load in loads)


HEAD = "| figure | serin | rival | ratio | of the best rounds | wanted | met |\n|---|---|---|---|---|---|---|"
