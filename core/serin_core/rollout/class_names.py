"""Classes that a spec names and the run does not have: their thresholds have no effect."""

from difflib import get_close_matches
from typing import Final

from serin_core.api.formatting import listed
from serin_core.rollout.protocol import Context

UNKNOWN_CLASSES: Final = "UnknownClasses"
"""Type of the condition that names them; the rollout goes on."""
_SHOWN: Final = 5


def describe_unknown(context: Context) -> str:
    """Return which classes of spec.thresholds the run in use does not have; "" if all are known, or nobody knows.

    The classes are known once a pod has loaded the run.
    """
    candidate, stable = context.status.candidate, context.status.stable
    run_id = context.spec.run_id
    if run_id not in {one.run_id for one in (candidate, stable) if one is not None}:
        return ""
    loaded = (pod.run(run_id) for pod in context.observed.pods)
    classes = next((run.quality.classes for run in loaded if run is not None and run.quality is not None), ())
    unknown = sorted(set(context.spec.thresholds.per_class) - set(classes)) if classes else []
    if not unknown:
        return ""
    named = listed([name + _suggestion(name, classes) for name in unknown], _SHOWN)
    return f"spec.thresholds.perClass names {named}: {run_id} has no such class, so this has no effect"


def _suggestion(name: str, classes: tuple[str, ...]) -> str:
    close = get_close_matches(name, classes, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
