"""Records of trials as ConfigMaps, which belong to their SuggestionModel and are deleted with it."""

from serin_core.api.base import Json
from serin_core.api.record import TrialRecord
from serin_core.contract import names
from serin_core.kubernetes.owner_reference import owner_reference


def record_name(name: str, trial: int) -> str:
    """Return the name of the ConfigMap with the record of a trial."""
    return f"{name}-trial-{trial}"


def record_labels(name: str, trial: int) -> dict[str, str]:
    """Return the labels of the ConfigMap with the record of a trial."""
    return {
        "app.kubernetes.io/name": "serin-trial-record",
        "app.kubernetes.io/part-of": "serin",
        "app.kubernetes.io/managed-by": names.FIELD_MANAGER,
        names.LABEL_TRIAL_OF: name,
        names.LABEL_TRIAL: str(trial),
    }


def render_record(record: TrialRecord, text: str) -> Json:
    """Render the ConfigMap with the record of a trial, whose JSON is `text`."""
    metadata = {
        "name": record_name(record.name, record.trial),
        "namespace": record.namespace,
        "labels": record_labels(record.name, record.trial),
        "ownerReferences": [owner_reference(record.name, record.uid)],
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {names.RECORD_KEY: text}}
