"""The owner reference that every child of a SuggestionModel carries."""

from serin_core.api.base import Json
from serin_core.contract import names


def owner_reference(name: str, uid: str) -> Json:
    """Return the reference to a SuggestionModel, by which its children are deleted with it."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
