"""Checks of what the server pods have measured: latency, agreement by class, drift, circuit breakers. Pure."""

from collections.abc import Iterator
from typing import Final

from prometheus_client.samples import Sample

from serin_cli.doctor.drift import drift_results
from serin_cli.doctor.reported import quality_of
from serin_cli.doctor.results import Outcome, Result, Unread
from serin_cli.doctor.samples import total_by
from serin_cli.doctor.seen import Model
from serin_core.contract import names

_SLOW: Final = 0.25
"""Seconds: the first bucket of the latency that is above 200 ms."""
_FEW: Final = 30
"""Comparisons of a class below which its agreement is not judged."""
_LOW: Final = 0.6
"""Share of agreement below which a class is named."""
_NAMED: Final = 5
"""Classes that are named."""
_TOLERATED: Final = 0.05
"""Share of slow predictions that is tolerated: a p95."""


def measured_results(seen: Model) -> Iterator[Result]:
    """Yield what the metrics of the server pods show of the current run."""
    readable = [found for found in seen.metrics.values() if not isinstance(found, Unread)]
    if not readable:
        why = next((found for found in seen.metrics.values() if isinstance(found, Unread)), None)
        if why is not None:
            yield why.result("server metrics")
        return
    run = seen.run
    found = [one for samples in readable for one in samples if one.labels.get(names.SERIES_RUN) == run]
    if run and found:
        yield from _latency(found)
        yield from _agreement(found)
        yield from drift_results(found, quality_of(seen))
        yield from _breakers(found, run)


def _latency(found: list[Sample]) -> Iterator[Result]:
    below = total_by(found, f"{names.LATENCY}_bucket", "le")
    total = below.get("+Inf", 0.0)
    fast = next((count for bound, count in below.items() if bound != "+Inf" and float(bound) == _SLOW), None)
    if not total or fast is None:
        return
    slow = 1 - fast / total
    text = f"{100 * slow:.1f} % of {total:,.0f} predictions took longer than {1000 * _SLOW:g} ms"
    remedy = "raise spec.server.resources or the number of pods; look at limits on CPU"
    is_slow = slow > _TOLERATED
    yield Result("latency", Outcome.WARNING if is_slow else Outcome.OK, text, remedy if is_slow else "")


def _agreement(found: list[Sample]) -> Iterator[Result]:
    agree = total_by(found, names.CLASS_COMPARE, names.SERIES_CLASS, agree="True")
    differ = total_by(found, names.CLASS_COMPARE, names.SERIES_CLASS, agree="False")
    counts = {name: (agree.get(name, 0.0), agree.get(name, 0.0) + differ.get(name, 0.0)) for name in agree | differ}
    judged = {name: good / total for name, (good, total) in counts.items() if total >= _FEW}
    if not judged:
        return
    lowest = sorted((share, name) for name, share in judged.items())[:_NAMED]
    shown = [f"{name} {100 * share:.0f} % of {counts[name][1]:,.0f}" for share, name in lowest]
    low = [text for text, (share, _) in zip(shown, lowest, strict=True) if share < _LOW]
    if not low:
        yield Result("agreement", Outcome.OK, f"lowest in {shown[0]}")
        return
    remedy = "compare the run with the rules in these classes (serin evaluate); a gate perClass judges each class"
    yield Result("agreement", Outcome.WARNING, f"low in {', '.join(low)}", remedy)


def _breakers(found: list[Sample], run: str) -> Iterator[Result]:
    number = sum(one.value for one in found if one.name == names.BREAKER_OPEN)
    if number:
        pods = f"{number:g} pod{'' if number == 1 else 's'}"
        text = f"the circuit breaker of {run} is open on {pods}: its predictions fail"
        yield Result("model", Outcome.PROBLEM, text, "kubectl logs of the pods has the exception")
