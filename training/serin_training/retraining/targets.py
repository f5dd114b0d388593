"""Where a run is proposed: one place only. Whether it is good enough is decided in `policy`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from serin_core.api.candidate import CandidateState
from serin_training import kubernetes_client
from serin_training.errors import OptionError
from serin_training.retraining.git_commit import Commit

_RUNNING: Final = (CandidateState.DRAINING, CandidateState.LOADING, CandidateState.RUNNING)


@dataclass(frozen=True, slots=True)
class LatestOnly:
    """The run is stored, and `latest` moves to it; nothing else."""

    def current_run(self) -> str | None:
        """Return None: the caller names the current run."""
        return None

    def propose(self, _run: str, _why: str) -> str:
        """Return an empty text: nothing more is done."""
        return ""


@dataclass(frozen=True, slots=True)
class Patch:
    """spec.runID of a SuggestionModel is patched."""

    namespace: str
    model: str

    def current_run(self) -> str | None:
        """Return the stable run, or None while the rules serve all users.

        Raises KubernetesApiError, also if a patch would be refused later.
        """
        found = kubernetes_client.read_model(kubernetes_client.require_connection(), self.namespace, self.model)
        kubernetes_client.check_not_owned(found, self.namespace, self.model)
        stable: str | None = (found.get("status", {}).get("stable") or {}).get("runID")
        return stable

    def running(self) -> str | None:
        """Return the candidate of the rollout that is running, None without one. Raises KubernetesApiError."""
        found = kubernetes_client.read_model(kubernetes_client.require_connection(), self.namespace, self.model)
        candidate = found.get("status", {}).get("candidate") or {}
        return candidate.get("runID") if candidate.get("state") in _RUNNING else None

    def propose(self, run: str, _why: str) -> str:
        """Patch the object and return what was done. Raises KubernetesApiError."""
        kubernetes_client.set_run(kubernetes_client.require_connection(), self.namespace, self.model, run)
        return f"{self.namespace}/{self.model}: spec.runID set to {run}"


Target = LatestOnly | Patch | Commit


def target_of(  # noqa: PLR0913 - one for each option that names a target
    *, namespace: str, model: str | None, apply: bool, git: Path | None, file: Path | None, push: str | None
) -> Target:
    """Return the target that the options name. Raises OptionError if they contradict each other."""
    if apply and git is not None:
        raise OptionError("--apply and --git: the run is proposed in one place only")
    if (git is None) != (file is None):
        raise OptionError("--git and --file belong together: the repository, and the YAML file that names the run")
    if push is not None and git is None:
        raise OptionError("--push: only a commit can be pushed; add --git and --file")
    if git is not None and file is not None:
        return Commit(git, file, model, push)
    if not apply:
        return LatestOnly()
    if model is None:
        raise OptionError("--apply: name the SuggestionModel with --model")
    return Patch(namespace, model)
