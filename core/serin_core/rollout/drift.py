"""The condition Drifted: whether what users ask the serving run still looks like the rows that it was evaluated on.

It is no gate: nothing in a rollout depends on it. Counts are not kept in status; it changes with the verdict only.
"""

from collections.abc import Mapping
from typing import Final

from serin_core.api.drift import InputDrift
from serin_core.api.formatting import listed
from serin_core.api.status import Status
from serin_core.counting.inputs import InputsSeen
from serin_core.evidence.differences import Difference, compare_distributions, compare_shares
from serin_core.model.inputs import EVERY, FEATURES, NEW_MERCHANTS
from serin_core.rollout.protocol import Context

DRIFTED: Final = "Drifted"
"""Type of the condition."""
MIN_COUNTED: Final = 500
"""Transactions counted in a week below which nothing is concluded: those of a few users are alike."""
_ENDS_BELOW: Final = 0.75
"""Part of the effect size of an alarm below which it has ended: one near it would come and go every hour."""
_STAYS_ABOVE: Final = 0.5
"""Part of MIN_COUNTED that is enough for a run which had enough before, for the same reason."""


def note_drift(context: Context) -> Status:
    """Return the status with what is known of the drift of the run that serves; what was known before stays."""
    run_id = serving_run(context.status)
    known = context.status.drift
    if known is not None and known.run_id != run_id:
        known = None
    seen = context.observed.inputs
    if seen is None or not run_id or seen.run_id != run_id:
        return context.status.changed(drift=known)
    if not seen.reference:
        return context.status.changed(drift=None)
    if not _is_enough(seen, known):
        return context.status.changed(drift=InputDrift(run_id=run_id, drifted="Unknown"))
    before = () if known is None else known.features
    found = tuple(feature for feature, one in differences(seen).items() if has_drifted(one, was=feature in before))
    since = None if not found else context.now if known is None or known.since is None else known.since
    drift = InputDrift(run_id=run_id, drifted="True" if found else "False", features=found, since=since)
    return context.status.changed(drift=drift)


def serving_run(status: Status) -> str:
    """Return the run that most users get: in the bake the candidate, else the stable run; "" for the rules."""
    rollout = status.rollout
    serving = rollout if rollout is not None and rollout.bake is not None else status.stable
    return "" if serving is None else serving.run_id


def has_drifted(found: Difference, *, was: bool = False) -> bool:
    """Return whether a feature has drifted, or has not come back since it had."""
    return found.statistic > _ENDS_BELOW * found.alarm if was else found.is_alarming(comparisons=len(FEATURES))


def differences(seen: InputsSeen) -> Mapping[str, Difference]:
    """Return the difference of each feature that has bins to compare on both sides."""
    found: dict[str, Difference] = {}
    for feature in FEATURES:
        reference, current = seen.reference.get(feature, {}), seen.current.get(feature, {})
        bins = sorted({*reference, *current})
        one, other = ([side.get(name, 0.0) for name in bins] for side in (reference, current))
        if not sum(one) or not sum(other):
            continue
        if feature == NEW_MERCHANTS:
            before, now = (side.get("new", 0.0) for side in (reference, current))
            found[feature] = compare_shares((before, sum(one)), (now, sum(other)))
        else:
            found[feature] = compare_distributions(one, other)
    return found


def describe_drift(drift: InputDrift) -> tuple[str, str]:
    """Return reason and message of the condition."""
    match drift.drifted:
        case "True":
            named = listed([feature.replace("_", " ") for feature in drift.features], len(FEATURES))
            since = "" if drift.since is None else f", since {drift.since:%Y-%m-%d %H:%M} UTC"
            message = (
                f"What users have asked {drift.run_id} in the last week differs from its evaluation in {named}{since}. "
                "serin drift with recent transactions shows whether its predictions are worse. serin retrain trains "
                "again if they are, or with enough new labels, and proposes the new run if it is not worse on the "
                "newest rows. No rollout waits for this"
            )
            return "InputsDiffer", message
        case "False":
            return "AsEvaluated", f"What users have asked {drift.run_id} in the last week looks like its evaluation"
        case "Unknown":
            few = f"{drift.run_id} has had fewer than about {EVERY * MIN_COUNTED} requests in the last week, or none"
            return "TooFewRequests", f"{few} before the last day: too few to compare with its evaluation"


def _is_enough(seen: InputsSeen, known: InputDrift | None) -> bool:
    has_been = known is not None and known.drifted != "Unknown"
    asked = sum(seen.current.get(NEW_MERCHANTS, {}).values())
    return seen.is_settled and asked >= MIN_COUNTED * (_STAYS_ABOVE if has_been else 1)
