"""Where a run is proposed: in one place only. Never judges whether it deserves it."""

from dataclasses import dataclass
from pathlib import Path

from serin_training import kubernetes_client
from serin_training.errors import ClusterError, SettingsError
from serin_training.retraining.git_commit import Proposal, propose


@dataclass(frozen=True, slots=True)
class Latest:
    """Nowhere else: the run is stored, and `latest` moves to it."""

    def present_run(self) -> str | None:
        """Answer nothing: whoever asks names the present run."""
        return None

    def propose(self, _run: str, _why: str) -> str:
        """Answer what was done, in a sentence: nothing more."""
        return ""


@dataclass(frozen=True, slots=True)
class Patch:
    """A SuggestionModel's spec.runID is patched."""

    namespace: str
    model: str

    def present_run(self) -> str | None:
        """Answer the run that users trust now, None while the rules answer; refuse early what a patch would meet.

        Raises ClusterError.
        """
        found = kubernetes_client.read_model(kubernetes_client.connected(), self.namespace, self.model)
        owner = kubernetes_client.argocd_application(found)
        if owner is not None:
            raise ClusterError(kubernetes_client.of_argocd(self.namespace, self.model, owner))
        stable: str | None = (found.get("status", {}).get("stable") or {}).get("runID")
        return stable

    def propose(self, run: str, _why: str) -> str:
        """Name the run in the object, and answer that in a sentence. Raises ClusterError."""
        kubernetes_client.name_run(kubernetes_client.connected(), self.namespace, self.model, run)
        return f"{self.namespace}/{self.model}: spec.runID is {run}"


@dataclass(frozen=True, slots=True)
class Commit:
    """A YAML file of a Git repository is changed on a branch of its own."""

    repository: Path
    file: Path
    """Below the repository."""
    model: str | None
    """None where the file holds one object only."""
    push: str | None
    """The remote; None: the branch stays here."""

    def present_run(self) -> str | None:
        """Answer nothing: whoever asks names the present run."""
        return None

    def propose(self, run: str, why: str) -> str:
        """Commit, and answer that in a sentence. Raises GitError."""
        message = f"{self.model or 'SuggestionModel'}: roll out {run}\n\n{why}"
        commit = propose(Proposal(self.repository, self.file, self.model, run, message), push=self.push)
        return f"{self.repository}: commit {commit[:12]} on branch serin/{run}"


Destination = Latest | Patch | Commit


def destination_of(  # noqa: PLR0913 - one for each option that says where
    *, namespace: str, model: str | None, apply: bool, git: Path | None, file: Path | None, push: str | None
) -> Destination:
    """Answer the one place that the options name. Raises SettingsError where they contradict each other."""
    if apply and git is not None:
        raise SettingsError("--apply and --git: the run is proposed in one place only")
    if (git is None) != (file is None):
        raise SettingsError("--git and --file belong together: the repository, and the YAML file that names the run")
    if push is not None and git is None:
        raise SettingsError("--push: only a commit can be pushed; add --git and --file")
    if git is not None and file is not None:
        return Commit(git, file, model, push)
    if not apply:
        return Latest()
    if model is None:
        raise SettingsError("--apply: name the SuggestionModel with --model")
    return Patch(namespace, model)
