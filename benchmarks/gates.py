"""Error rates of the gates and of other rules on the same draws, and the cost of an evaluation.

    python benchmarks/gates.py [--rollouts 4000] [--json FILE] [--markdown FILE]

Every rule sees the same kind of traffic: agreement must be at least 0.70, a check brings 5 or 50 requests, at most
1,440 checks. Flagger's and Argo Rollouts' rules are those of serin_simulation.baselines, which cites sources.
This method is evaluated by the state of a rate gate that the operator uses.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from math import sqrt
from os import cpu_count
from pathlib import Path
from random import Random

from serin_core.api.gate_status import OwnCounts, OwnSeries, ProcessCounts
from serin_core.api.spec import SuggestionModelSpec
from serin_core.counting.server_counters import StageCounts
from serin_core.evidence.bounds import Alphas, AtLeast
from serin_core.gates.active import active_gates
from serin_core.gates.evaluation import Stage, judge_stage
from serin_core.gates.rate import RateState
from serin_core.gates.result import PreviousCheck
from serin_simulation.baselines import Argo, Flagger, Measured, run_through
from serin_simulation.rollout import Setting, first_stage, play
from serin_simulation.sampling import binomial, visited
from serin_simulation.traffic import Rates, Traffic, TrafficSource

THRESHOLD = 0.70
TRUTHS = (0.60, 0.65, 0.70, 0.75, 0.85)
SIZES = (5, 50)
MOST_CHECKS = 1440
ALPHA = 0.05
STAGES = 4
FLAGGER, ARGO, LENIENT = Flagger(), Argo(), Argo(failure_limit=3)
STEPS_OF_OTHERS = 3
"""Mirror, 10 and 50 %."""
USERS, EACH, CORRELATION = 5, 10, 0.3


def by_rule(rule, stages, draw, size):
    """Play one rollout under a rule that uses one share per check."""

    def measure(_stage):
        return Measured.PASSED if draw() >= THRESHOLD * size - 1e-9 else Measured.FAILED

    is_promoted, took = run_through(rule, stages, measure)
    return "promoted" if is_promoted else "rolled back", sum(took)


def by_z_test(draw, size):
    """Apply a z-test, 5 % two-sided, at every check from five expected failures on."""
    good = 0
    for check in range(1, MOST_CHECKS + 1):
        good += draw()
        n = check * size
        if n * (1 - THRESHOLD) < 5:
            continue
        z = (good - n * THRESHOLD) / sqrt(n * THRESHOLD * (1 - THRESHOLD))
        if abs(z) >= 1.96:
            return ("promoted" if z > 0 else "rolled back"), check
    return "open", MOST_CHECKS


_PASSES = {}
"""By total: the fewest good ones that Pass. More good ones never un-Pass (tests/core/gates)."""


def _fewest_to_pass(state, total):
    if total not in _PASSES:
        low, high = -1, total + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if state.passes(middle, total) else (middle, high)
        _PASSES[total] = high
    return _PASSES[total]


def by_evidence(stages, draw, size):
    """Play one rollout by this method: Fail is tested first, Pass leads to the next stage, counts from zero."""
    alphas, checks = Alphas(promote=ALPHA, rollback=ALPHA / stages), 0
    for _ in range(stages):
        state = RateState(AtLeast(THRESHOLD), alphas)
        good = 0
        for check in range(1, MOST_CHECKS + 1):
            good += draw()
            total = check * size
            if state.fails(good, total):
                return "rolled back", checks + check
            if good >= _fewest_to_pass(state, total):
                checks += check
                break
            state.record(good, total)
        else:
            return "open", checks + MOST_CHECKS
    return "promoted", checks


ONE_STAGE = {
    "Flagger, threshold 5, mirror + [10, 50]": partial(by_rule, FLAGGER, STEPS_OF_OTHERS),
    "Argo, failureLimit 0, count 10": partial(by_rule, ARGO, 1),
    "Argo, failureLimit 3, count 10": partial(by_rule, LENIENT, 1),
    "z-test looked at every check": by_z_test,
    "this method": partial(by_evidence, 1),
}
WHOLE = {
    "Flagger, threshold 5, mirror + [10, 50]": partial(by_rule, FLAGGER, STEPS_OF_OTHERS),
    "Argo, failureLimit 0, count 10 a stage": partial(by_rule, ARGO, STEPS_OF_OTHERS),
    "Argo, failureLimit 3, count 10 a stage": partial(by_rule, LENIENT, STEPS_OF_OTHERS),
    "this method, shadow, 10, 50, 100 %": partial(by_evidence, STAGES),
}
CORRELATED = {"every request": partial(by_evidence, 1), "every user once": partial(by_evidence, 1)}


def cell(table, rule, truth, size, rollouts):
    """Play one cell of a table; the same rollouts whatever the number of cores."""
    ends, took = {"promoted": 0, "rolled back": 0, "open": 0}, []
    for number in range(rollouts):
        rng = Random(f"{table}/{rule}/{truth}/{size}/{number}")  # noqa: S311 - draws, no secrets
        if table == "correlated":
            play_one = CORRELATED[rule]
            draw = (
                partial(visited, USERS, EACH, truth, CORRELATION, rng)
                if rule == "every request"
                else partial(binomial, USERS, truth, rng)
            )
            seen = USERS * EACH if rule == "every request" else USERS
        else:
            play_one = (ONE_STAGE if table == "one stage" else WHOLE)[rule]
            draw, seen = partial(binomial, size, truth, rng), size
        end, checks = play_one(draw, seen)
        ends[end] += 1
        if end != "open":
            took.append(checks)
    took.sort()
    return {
        "table": table,
        "rule": rule,
        "truth": truth,
        "requests": size,
        "rollouts": rollouts,
        **{end.replace(" ", "_"): many / rollouts for end, many in ends.items()},
        "median_checks": took[len(took) // 2] if took else None,
        "ninth_decile": took[len(took) * 9 // 10] if took else None,
    }


def cells(rollouts):
    """Return all cells, the slow ones first."""
    jobs = [
        (table, rule, truth, size, rollouts)
        for table, rules in (("one stage", ONE_STAGE), ("whole rollout", WHOLE))
        for rule in rules
        for truth in TRUTHS
        for size in SIZES
    ]
    jobs += [("correlated", rule, truth, USERS * EACH, rollouts) for rule in CORRELATED for truth in TRUTHS]
    return sorted(jobs, key=lambda job: (abs(job[2] - THRESHOLD), "method" not in job[1]))


def eight_gates():
    """Measure milliseconds of CPU for one evaluation of eight gates with 48 starts each, and for a whole decision."""
    own = {"name": "orders", "good": "good_total", "total": "orders_total", "atLeast": 0.9}
    body = {"runID": "run_aaaaaaaa_1", "server": {"token": {"secretName": "t"}}, "gates": {"custom": [own]}}
    spec = SuggestionModelSpec.model_validate(body)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    gates = active_gates(spec, percent=50)
    shares = {"agreement": 0.75, "lowConfidence": 0.1, "feedback/canary": 0.9, "feedback/control": 0.9, "orders": 0.95}
    keys = [gate.name for gate in gates if gate.name not in ("feedback", "orders")]
    keys += ["feedback/canary", "feedback/control"]
    rng, counts, last = Random(1), {}, PreviousCheck({}, {})  # noqa: S311
    times, warm, rounds = [], 100, 400
    for check in range(rounds):
        for key in (*keys, "orders"):
            s, n = counts.get(key, (0, 0))
            size = 30 if key.startswith("feedback") else 600
            counts[key] = (s + binomial(size, shares.get(key, 0.995), rng), n + size)
        pair = {
            side: {"p": OwnSeries(at=0, last=0, gained=counts["orders"][side == "total"])} for side in ("good", "total")
        }
        by_key = {key: {"p": ProcessCounts(good=counts[key][0], total=counts[key][1])} for key in keys}
        custom_key = next(gate.custom_key for gate in gates if gate.custom_key)
        reading = StageCounts(by_key, has_shared_store=True, custom={custom_key: OwnCounts(**pair)})
        began = time.process_time()
        found = judge_stage(spec, Stage(50.0, now - timedelta(days=1), 0.1), reading, last, now=now)
        times.append(1000 * (time.process_time() - began))
        last = PreviousCheck({one.gate.name: one.memory for one in found}, {one.gate.name: one.gate for one in found})
        if check == rounds - 1:
            starts = max(len(one.memory.starts) for one in found)
    began = time.process_time()
    for _ in range(100):
        judge_stage(spec, Stage(50.0, now - timedelta(days=1), 0.1), reading, last, now=now)
    unchanged = 10 * (time.process_time() - began)
    times = sorted(times[warm:])
    return {
        "gates": len(gates),
        "starts": starts,
        "milliseconds_mean": sum(times) / len(times),
        "milliseconds_worst": times[-1],
        "milliseconds_unchanged": unchanged,
    }


def one_played(seed):
    """Play one rollout of about 500 checks."""
    soaks = {"shadowSoak": "62m", "steps": [{"percent": p, "soak": "62m"} for p in (10, 50, 100)]}
    body = {"runID": "run_aaaaaaaa_1", "server": {"token": {"secretName": "t"}}, "canary": soaks}
    setting = Setting(SuggestionModelSpec.model_validate(body), promised=0.9)
    traffic = Traffic(rates=Rates(agreement=0.8, feedback=0.01), classes=0)
    began = time.process_time()
    source = TrafficSource(traffic, Random(f"7/{seed}"), first=setting.start)  # noqa: S311
    found = play(setting, source, first=first_stage(setting))
    return found.checks, found.made, time.process_time() - began


def thousand(pool):
    """Measure seconds for 1,000 rollouts of 500 checks on all cores."""
    began = time.perf_counter()
    found = list(pool.map(one_played, range(1000), chunksize=10))
    return {
        "rollouts": 1000,
        "checks_each": sum(checks_ for checks_, _, _ in found) / 1000,
        "checks_with_decide": sum(made for _, made, _ in found) / 1000,
        "cpu_seconds": sum(cpu for _, _, cpu in found),
        "seconds": time.perf_counter() - began,
        "cores": cpu_count(),
    }


def percent(cell_):
    """Format promoted/rolled back in percent."""
    return f"{100 * cell_['promoted']:.1f}/{100 * cell_['rolled_back']:.1f}"


def checks(cell_):
    """Format the median and ninth decile of checks until the end."""
    return "-" if cell_["median_checks"] is None else f"{cell_['median_checks']} ({cell_['ninth_decile']})"


def table_of(found, table, size, title):
    """Write one table."""
    rows = [one for one in found if one["table"] == table and one["requests"] == size]
    lines = [
        f"| {title} | " + " | ".join(f"{truth:.2f}" for truth in TRUTHS) + " |",
        "|---" * (len(TRUTHS) + 1) + "|",
    ]
    for rule in dict.fromkeys(one["rule"] for one in sorted(rows, key=lambda one: ORDER.index(one["rule"]))):
        mine = {one["truth"]: one for one in rows if one["rule"] == rule}
        lines.append(f"| {rule} | " + " | ".join(percent(mine[truth]) for truth in TRUTHS) + " |")
        if "method" in rule or table == "correlated":
            lines.append("| checks, median (90 %) | " + " | ".join(checks(mine[truth]) for truth in TRUTHS) + " |")
    return "\n".join(lines)


def ms(cost, which):
    """Format milliseconds."""
    return f"{cost[f'milliseconds_{which}']:.2f}"


ORDER = [*ONE_STAGE, *WHOLE, *CORRELATED]


def page(result):
    """Write the whole page."""
    found, cost, many = result["cells"], result["eight_gates"], result["thousand"]
    return f"""# Figures of the gates

Printed by `make bench-gates`: agreement must be at least 0.70; {result["rollouts"]:,} rollouts a cell, at most
{MOST_CHECKS:,} checks a stage. Promoted % / rolled back %; the rest was still open. Each true rate is a column.
A wrong promotion is one at 0.60 or 0.65.
Flagger's and Argo Rollouts' rules are taken from their sources (Flagger 15bd6ad, `pkg/controller/scheduler.go` 431 and
461-462; Argo Rollouts 9f8d111, `analysis/analysis.go` 613-680; both count failed checks in all, not in a row).

## One stage

{table_of(found, "one stage", 5, "5 requests a check")}

{table_of(found, "one stage", 50, "50 requests a check")}

## The whole rollout

{table_of(found, "whole rollout", 5, "5 requests a check")}

{table_of(found, "whole rollout", 50, "50 requests a check")}

## Users who make ten requests each

{USERS} users a check, {EACH} requests each, correlation (ICC) {CORRELATION}, one stage, this method.

{table_of(found, "correlated", USERS * EACH, "counted is")}

## Cost

Seconds by the clock depend on what else the machine does; seconds of CPU less so.

| | |
|---|---|
| one evaluation of {cost["gates"]} gates with {cost["starts"]} starts each, ms of CPU, mean | {ms(cost, "mean")} |
| the slowest of 300 of them | {ms(cost, "worst")} |
| one where nothing new was counted | {ms(cost, "unchanged")} |
| 1,000 rollouts of {many["checks_each"]:.0f} checks on {many["cores"]} cores, seconds | {many["seconds"]:.1f} |
| the same, seconds of CPU in all | {many["cpu_seconds"]:.1f} |
| checks of each that called `decide` | {many["checks_with_decide"]:.1f} |
| all tables above, seconds by the clock | {result["seconds"]:.0f} |
"""


def main():
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollouts", type=int, default=4000, help="a cell")
    parser.add_argument(
        "--parts", choices=("all", "tables", "cost", "none"), default="all", help="the rest is that of --json"
    )
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--markdown", type=Path, help="write the page there")
    given = parser.parse_args()
    result = {"rollouts": given.rollouts}
    if given.parts != "all":
        result |= json.loads(given.json.read_text(encoding="utf-8"))
    with ProcessPoolExecutor() as pool:
        if given.parts in ("all", "cost"):
            result |= {"thousand": thousand(pool), "eight_gates": eight_gates()}
        if given.parts in ("all", "tables"):
            began = time.perf_counter()
            result |= {"rollouts": given.rollouts, "cells": []}
            jobs = cells(given.rollouts)
            for done, one in enumerate(pool.map(cell, *zip(*jobs, strict=True)), 1):
                result["cells"].append(one)
                if sys.stderr.isatty():
                    print(f"\r{done} of {len(jobs)} cells", end="", file=sys.stderr, flush=True)
            result["seconds"] = time.perf_counter() - began
    print(page(result))
    if given.markdown:
        given.markdown.write_text(page(result), encoding="utf-8")
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
