"""The objects of the benchmark: SuggestionModels that stay at 10 % of users, and what they refer to."""

NAMESPACE = "bench"
NODE = "simulated"
NODE_LABELS = {"serin.dev/bench": "pods"}
"""Labels of the node of fleet.py, and the node selector of all server pods."""
RULES = "".join(
    f"  Category {number}: [{', '.join('abcdefgh'[one] * 3 + chr(97 + number) for one in range(8))}]\n"
    for number in range(15)
)
PLACE = ("serin.dev", "v1alpha1", NAMESPACE, "suggestionmodels")


def surroundings():
    """Return the namespace and the objects that a SuggestionModel refers to."""
    metadata = {"namespace": NAMESPACE}
    rules = {"rules.yaml": f"classes:\n{RULES}"}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata | {"name": "rules"}, "data": rules},
    ]


def suggestion_model(name, *, run_id, pods=1, interval="30s"):
    """Return a SuggestionModel with five gates; it stays at its first step."""
    spec = {
        "runID": run_id,
        "registry": {"uri": "/registry", "volume": {"claimName": "registry"}},
        "canary": {
            "shadowSoak": "1s",
            "steps": [{"percent": 10, "soak": "720h"}, {"percent": 100, "soak": "720h"}],
        },
        "gates": {gate: {"mode": "Off"} for gate in ("acceptedRatio", "feedback")},
        "analysis": {"interval": interval},
        "server": {
            "replicas": pods,
            "token": {"secretName": "tokens"},
            "rules": {"configMapName": "rules"},
            "pod": {"nodeSelector": NODE_LABELS},
        },
    }
    metadata = {"namespace": NAMESPACE, "name": name}
    return {"apiVersion": "serin.dev/v1alpha1", "kind": "SuggestionModel", "metadata": metadata, "spec": spec}


def run_id(number, *, is_failing=False):
    """Return the name of a run; predictions of a failing one fail (answers.py)."""
    return f"run_{'bad' if is_failing else '5ee'}{number:05x}_1767225600"
