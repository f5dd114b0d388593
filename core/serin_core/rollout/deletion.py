"""What a deleted SuggestionModel leaves behind, as an Event: nothing can be decided any more."""

from collections.abc import Collection
from typing import Final

from serin_core.api.status import CandidateState, Status
from serin_core.rollout.announcements import Announcement
from serin_core.rollout.transition import serving

DELETED: Final = "Deleted"
_ORPHAN: Final = "orphan"
"""Finalizer that Kubernetes sets where children are to be kept."""


def deleted(status: Status, finalizers: Collection[str] = ()) -> Announcement:
    """Return the Event: who served, which rollout ends, and what becomes of the pods."""
    candidate = status.candidate
    ended = ""
    if candidate is not None and candidate.state is CandidateState.RUNNING and candidate.served_percent > 0:
        ended = f", {candidate.run_id} {candidate.served_percent:g} % of them; its rollout ends"
    elif status.rollout is not None:
        ended = f"; the rollout of {status.rollout.run_id} ends"
    if _ORPHAN in finalizers:
        pods = "Its pods are kept and go on; nothing watches them any more"
    else:
        pods = "Its pods and its Service are deleted with it, and requests fail"
    message = f"The SuggestionModel was deleted. {_upper(serving(status))}{ended}. {pods}"
    return Announcement(DELETED, message, is_warning=True)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:] if text.startswith("the ") else text
