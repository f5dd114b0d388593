"""The long form: storm after storm with other settings and seeds, each checked, and the page of all of them."""

import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from faults.checker import check
from faults.history import read
from faults.page import write_page
from faults.plan import LONG, Plan
from faults.report import save, summary_of
from faults.storm import record

STORM_SECONDS = 300.0
_SHAPES = ((2, 4, 2), (1, 4, 2), (2, 2, 5), (2, 1, 10), (1, 3, 3))
"""Operators, SuggestionModels, and pods of each."""
_ALL_ACT = 4
"""One of this number of storms with two operators is without leader election: both act."""


def plan_of(seed: int) -> Plan:
    """Return the storm of a seed."""
    replicas, models, pods = _SHAPES[seed % len(_SHAPES)]
    rate = 80 * 2 // pods if pods > 2 else 80  # noqa: PLR2004 - as much traffic in all
    elects = replicas == 1 or seed % _ALL_ACT != 0
    return Plan(seed, STORM_SECONDS, replicas, models, pods, rate, pauses=LONG, elects=elects)


def run_suite(results: Path, *, seed: int, minutes: float) -> int:
    """Run storms until the time is over; return the exit status. A history with violations is kept."""
    until = time.monotonic() + 60 * minutes
    failed = 0
    while time.monotonic() + STORM_SECONDS < until:
        plan = plan_of(seed)
        with tempfile.TemporaryDirectory(prefix="serin-storm-", ignore_cleanup_errors=True) as folder:
            file = Path(folder) / "history.jsonl.gz"
            asyncio.run(record(plan, file, Path(folder)))
            found = check(read(file))
            summary = summary_of(file, found)
            save(summary, results)
            print(summary.text(), flush=True)
            if found:
                failed += 1
                kept = shutil.copy(file, results / f"{seed}.jsonl.gz")
                print(
                    f"{len(found)} violations, the first: {found[0]}\nhistory: {kept}; again: {_again(plan)}",
                    flush=True,
                )
        seed += 1
    return max(write_page(results), int(bool(failed)))


def _again(plan: Plan) -> str:
    return (
        f"{Path(sys.executable).name} -m faults storm --long --seed {plan.seed} --seconds {plan.seconds:g} "
        f"--replicas {plan.replicas} --models {plan.models} --pods {plan.pods} --rate {plan.rate}"
        f"{'' if plan.elects else ' --all-act'}"
    )
