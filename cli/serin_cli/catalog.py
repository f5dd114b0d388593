"""Every command with its one-line summary, so that `serin --help` imports none of them."""

from collections.abc import Mapping
from typing import Final

SECTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "Rollouts on a cluster": {
        "list": "List SuggestionModels: stable run, candidate, percent of users, phase.",
        "status": "Show the status of a rollout and its gates.",
        "explain": "Explain each gate: what it has counted, how certain that is, and what a verdict still needs.",
        "history": "Show past and running rollouts: when, how they ended, why, and who started them.",
        "events": "Show the Events of a SuggestionModel, oldest first.",
        "doctor": "Check the installation and SuggestionModels: what was found, and what to do.",
        "watch": "Follow a rollout until it ends.",
        "dashboard": "Show rollouts as pages in a browser, on this machine.",
        "promote": "Advance the candidate to the next step now, approve the step that waits, or end a bake.",
        "promote-full": "Advance the candidate through all remaining steps to promotion.",
        "pause": "Pause the running rollout: no step, and the soak timer is stopped.",
        "resume": "Resume a paused rollout.",
        "set-run": "Set spec.runID, so that another run is rolled out.",
        "retry": "Start the rollout of a rolled back or refused run again.",
        "abort": "End the running rollout and roll back its candidate.",
        "undo": "Take the stable run out of service, or restore an earlier run with --to.",
        "trust": "Declare which run is trusted, after a restore from a backup: it serves without a trial.",
        "forget-pod": "Declare that a pod is dead, so that the rollout no longer waits for it.",
        "delete": "Delete a SuggestionModel, after showing what that ends.",
    },
    "Manifests, before the cluster": {
        "lint": "Check SuggestionModel manifests before you apply them.",
        "convert": "Rewrite manifests of an older form: the list spec.gates.metrics becomes one field for each gate.",
        "simulate": "Simulate rollouts of a SuggestionModel; compare with Flagger and Argo Rollouts.",
        "replay": "Run the rollout of a SuggestionModel on recorded counts.",
    },
    "Server on this machine": {
        "serve": "Serve suggestions on this machine, without an operator.",
        "data erase": "Delete all transactions and feedback of a user.",
    },
    "Training and registry": {
        "data export": "Write transactions and labels of a server's store to a file for training.",
        "data inspect": "Report how a file of transactions is written, and write a map for it.",
        "data suggest-labels": "Show the transactions whose labels would teach a model most.",
        "train": "Train a model and register the run.",
        "features": "Extract text features once and cache them.",
        "evaluate": "Evaluate a run on labelled transactions.",
        "backtest": "Show what regular retraining would have given.",
        "thresholds": "Propose thresholds by class for a target precision.",
        "drift": "Compare newer transactions with the data a run was evaluated on.",
        "recalibrate": "Correct the confidence of a run by labels from service.",
        "retrain": "Train again if needed, and propose the run if it is not worse.",
        "runs": "List, show, compare, verify and prune runs of a registry.",
        "generate": "Generate synthetic transactions.",
        "rules": "Manage the keyword rules that answer when no model does.",
    },
    "Program": {
        "version": "Show the versions of this program, of the operator and of Kubernetes.",
        "completion": "Print the script that completes commands, options, names and runs in a shell.",
    },
}
GROUPS: Final[Mapping[str, str]] = {"data": "Inspect files of transactions, and manage stored user data."}
"""Groups whose commands come from several packages."""
EXTRAS: Final[Mapping[str, str]] = {
    "Rollouts on a cluster": "cli",
    "Manifests, before the cluster": "cli",
    "Server on this machine": "server",
    "Training and registry": "training",
    "Program": "cli",
}
"""The optional dependencies that the commands of a section need."""


def commands_below(prefix: str = "") -> dict[str, str]:
    """Return the next word of each command that begins with a prefix, such as "data ", and its summary."""
    found: dict[str, str] = {}
    for commands in SECTIONS.values():
        for name, summary in commands.items():
            if name.startswith(prefix):
                word, _, more = name.removeprefix(prefix).partition(" ")
                found[word] = GROUPS[prefix + word] if more else summary
    return found


def extra_of(command: str) -> str:
    """Return the name of the optional dependencies that a command needs."""
    if command == "dashboard":
        return "cli,dashboard"
    return next(EXTRAS[section] for section, commands in SECTIONS.items() if command in commands)
