"""Take the pictures of the documentation: `make screenshots`.

The cluster is the one of this module, at a fixed time and with fixed counts, so that the pictures change with the pages
alone.
"""

import io
import random
import sys
from pathlib import Path

from dashboard.browser import Served, chromium
from dashboard.examples import (
    NOW,
    OLD,
    RUN,
    START,
    candidate,
    checkpoint,
    condition,
    gate,
    model,
    pod,
    record,
    stalled,
    text,
    timedelta,
    transition,
)
from PIL import Image

from serin_core.api.actual_share import ActualShare
from serin_core.api.gate_status import GateRole
from serin_core.api.hold import HoldSince
from serin_core.api.record import Outcome
from serin_core.api.status import CandidateState, Phase
from serin_core.evidence.confidence_sequence import confidence_sequence
from serin_core.evidence.counts import Counts, Verdict

IMAGES = Path(__file__).parents[2] / "docs" / "images"
MOST_BYTES = 150_000
EARLIER = ("run_a91be404_1766016000", "run_5cd2e8f0_1765411200")
CLASSES = {
    "Groceries": (262, 301),
    "Dining": (171, 203),
    "Transport": (118, 131),
    "Utilities": (77, 84),
    "Travel": (45, 58),
    "Health": (24, 33),
    "Tax": (6, 11),
    "Donations": (0, 0),
}
RATES = {"availability": 0.999, "errors": 0.9985, "latency": 0.981, "agreement": 0.85}
LEAST = {"availability": 0.99, "errors": 0.99, "latency": 0.95, "agreement": 0.82}
STAGES = ((0.0, 60, 5400, 30.0), (10.0, 5400, 10_800, 6.5))
"""Percent of users, beginning and end in seconds, counts per minute."""


def curve(name, step=120):
    """Return the points of a gate, its counts drawn at random with a fixed seed."""
    dice, points = random.Random(name), []
    for share, first, last, speed in STAGES:
        good = total = 0
        for at in range(first + step, last + 1, step):
            # Agreement counts users, the others requests.
            more = round(speed * (1 if name == "agreement" else 10) * step / 60 * dice.uniform(0.7, 1.3))
            good, total = good + sum(dice.random() < RATES[name] for _ in range(more)), total + more
            ends = confidence_sequence(Counts(good, total), 0.05)
            points.append((float(at), share, float(good), float(total), *ends))
    return tuple(points)


CURVES = {name: curve(name) for name in RATES}


def gate_at(name, stage, **changes):
    """Return a gate with its counts at the end of a stage."""
    good, total = next(point[2:4] for point in reversed(CURVES[name]) if point[1] == stage)
    passed = name != "agreement" or stage == 0.0
    shown = {"verdict": Verdict.PASS} if passed else {"needed": 160}
    return gate(name, good, total, at_least=LEAST[name], **shown | changes)


def trials():
    """Return the records of four trials: one promoted, one rolled back, one promoted, and the one that runs."""
    passed = tuple(gate_at(name, 0.0, verdict=Verdict.PASS) for name in RATES)
    running = record(
        4,
        transitions=(
            transition("RolloutStarted", 0, 0, message=f"Rollout of {RUN} started; compared with {OLD}"),
            transition("AcceptancePassed", 1, 0, message="Acceptance gate passed (macro F1 0.871, worst class 0.792)"),
            transition("StageStarted", 1, 0, message="Shadow stage started: all pods serve it"),
            transition(
                "StepAdvanced",
                90,
                10,
                stage=4,
                gates=passed,
                by=f"promote {RUN} 0 2026-01-02T10:30:00Z by=jane@example.com looks good",
                message="Advanced from 0 % to 10 % (requested by jane@example.com: looks good)",
            ),
        ),
        curves=CURVES,
        shares=(
            (0.0, 0.0, None, None),
            (5400.0, 10.0, 8.4, 9.1),
            (7200.0, 10.0, 9.6, 9.8),
            (10_800.0, 10.0, 9.8, 10.1),
        ),
    )
    return [
        text(ended(1, Outcome.PROMOTED, 21, EARLIER[1])),
        text(ended(2, Outcome.ROLLED_BACK, 14, EARLIER[0], reason="Gate agreement failed: 58.2 % of 412 users")),
        text(ended(3, Outcome.PROMOTED, 7, OLD)),
        text(running.model_copy(update=MINE)),
    ]


MINE = {"namespace": "transactions"}
"""What the records share."""


def ended(number, outcome, days, run, *, reason=""):
    """Return the record of a trial some days ago, which took a few hours."""
    start = START - timedelta(days=days)
    went = ((1, 0), (95, 10), (160, 50)) if outcome is Outcome.PROMOTED else ((1, 0), (88, 10))
    events = [("StageStarted" if not share else "StepAdvanced", after, share) for after, share in went]
    moved = tuple(
        transition(event, after, share, run=run).model_copy(update={"at": start + timedelta(minutes=after)})
        for event, after, share in events
    )
    end = start + timedelta(minutes=went[-1][0] + 47)
    return record(
        number,
        run_id=run,
        started_at=start,
        ended_at=end,
        outcome=outcome,
        reason=reason,
        transitions=moved,
        curves={name: points[: 45 + 10 * len(went)] for name, points in CURVES.items()},
    )


def fleet():
    """Return the SuggestionModels of the overview; the first has the page of its own."""
    settled = {"candidate": None, "phase": Phase.PROMOTED, "gates": ()}
    promoted = (condition("Promoted", "True", "The run serves all users."),)
    waiting = condition(
        "AwaitingApproval", message="Every gate has passed at 10 %; the step to 50 % waits for an approval."
    )
    harm = "Gate agreement failed: 58.2 % of 412 users, required are 70 %. The run before serves all users."
    return [
        model(
            "categories",
            namespace="transactions",
            trial=4,
            gates=(
                *(gate_at(name, 10.0) for name in RATES),
                gate("perClass", 703, 821, at_least=0.6, role=GateRole.DRY_RUN),
            ),
            checkpoint=checkpoint(**CLASSES),
            actual_share=ActualShare(wanted=10, users=9.8, counted_users=1203, requests=10.1, counted_requests=8211),
            conditions=(
                condition(
                    "RolloutProgressing",
                    "Unknown",
                    "At 10 % of users: the gate agreement has no verdict yet; about 160 more users are needed.",
                ),
            ),
        ),
        model(
            "merchants",
            namespace="transactions",
            conditions=(waiting,),
            candidate=candidate(hold=HoldSince(reason="AwaitingApproval", at=NOW - timedelta(minutes=52))),
            gates=tuple(gate_at(name, 0.0) for name in RATES),
            ready_reason_since=NOW - timedelta(minutes=52),
        ),
        model(
            "rent",
            namespace="homes",
            conditions=stalled("RolledBack", harm),
            candidate=candidate(state=CandidateState.ROLLED_BACK, percent=0.0, stage=None, stage_started_at=None),
            phase=Phase.ROLLED_BACK,
            gates=(),
            ready_reason_since=NOW - timedelta(hours=5),
        ),
        model(
            "expenses",
            namespace="business",
            conditions=(condition("MetricsUnavailable", message="Prometheus cannot be asked: connection refused."),),
            gates=(gate("agreement"),),
            ready_reason_since=NOW - timedelta(minutes=7),
        ),
        model(
            "subscriptions",
            namespace="transactions",
            conditions=(
                condition("OutsideWindow", message="Every gate has passed; the window opens at 09:00 Europe/Berlin."),
            ),
            candidate=candidate(hold=HoldSince(reason="OutsideWindow", at=NOW - timedelta(hours=2))),
            gates=(),
            ready_reason_since=NOW - timedelta(hours=2),
        ),
        model("donations", namespace="homes", conditions=promoted, **settled),
        model("invoices", namespace="business", conditions=promoted, **settled),
    ]


def pictures(browser, served):
    """Yield a name and the PNG of every picture."""
    detail = "/models/transactions/categories"
    page = browser.new_page()
    page.goto(served.access.link)
    for name, path, width, height, scheme in (
        ("dashboard-overview", "/", 1180, 850, "light"),
        ("dashboard-detail", detail, 1180, 1240, "light"),
        ("dashboard-detail-dark", detail, 1180, 1240, "dark"),
        ("dashboard-phone", detail, 390, 844, "light"),
    ):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        page.goto(served.address + path)
        yield name, page.screenshot()


def compressed(picture):
    """Return a PNG with a palette, which takes a third of the bytes."""
    image = Image.open(io.BytesIO(picture)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    found = io.BytesIO()
    image.save(found, "PNG", optimize=True)
    return found.getvalue()


def main(folder=IMAGES):
    folder.mkdir(exist_ok=True)
    with Served(*fleet(), scope="all namespaces") as served, chromium() as browser:
        pods = [pod(f"categories-6c9f7d5b4-{end}", uid=end) for end in ("4xk2p", "9wq7t")]
        served.cluster.found = {"records": trials(), "pods": pods}
        served.cluster.revisions = {one["metadata"]["name"]: 5 for one in pods}
        for name, picture in pictures(browser, served):
            found = compressed(picture)
            if len(found) > MOST_BYTES:
                sys.exit(f"{name}.png has {len(found)} bytes, more than {MOST_BYTES}")
            (folder / f"{name}.png").write_bytes(found)
            sys.stdout.write(f"{folder.name}/{name}.png: {len(found)} bytes\n")


if __name__ == "__main__":
    main()
