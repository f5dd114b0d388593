"""Proposing a run in Git: one commit on a new branch that changes one `runID`.

Works in a temporary work tree; the user's checkout is never touched. Only the value changes: comments and order are
kept.
"""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from serin_core.contract import names
from serin_core.contract.addresses import without_secrets
from serin_core.yaml_text import load_yaml
from serin_training.errors import GitError

_DOCUMENT: Final = re.compile(r"^---[^\n]*\n?", re.MULTILINE)
_RUN: Final = re.compile(r"^(?P<key>[ \t]+(?:runID|\"runID\")[ \t]*:[ \t]*)(?P<value>[^\s#]+)", re.MULTILINE)
_TIMEOUT: Final = 120
"""In seconds, for one git command."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A YAML file of a Git repository is changed on a new branch."""

    repository: Path
    file: Path
    """Relative to the repository."""
    model: str | None
    """Name of the SuggestionModel; None if the file holds only one."""
    push: str | None
    """The remote; None: the branch is not pushed."""

    def current_run(self) -> str | None:
        """Return None: the caller names the current run."""
        return None

    def propose(self, run: str, why: str) -> str:
        """Commit and return what was done. Raises GitError."""
        commit = self.commit(run, f"{self.model or 'SuggestionModel'}: roll out {run}\n\n{why}")
        return f"{self.repository}: commit {commit[:12]} on branch serin/{run}"

    def commit(self, run: str, message: str) -> str:
        """Commit the change, push it if there is a remote, and return the commit. Raises GitError."""
        git, branch = _Git(self.repository), f"serin/{run}"
        git.run("rev-parse", "--is-inside-work-tree")
        with tempfile.TemporaryDirectory(prefix="serin-git-") as folder:
            tree = Path(folder) / "tree"
            git.run("worktree", "add", "--quiet", "--detach", str(tree))
            try:
                inside, path = _Git(tree), tree / self.file
                try:
                    text = path.read_text(encoding="utf-8")
                except (OSError, UnicodeDecodeError) as error:
                    raise GitError(f"{self.file}: {error}; it must be a committed YAML file") from None
                path.write_text(set_run(text, model=self.model, run=run, where=str(self.file)), "utf-8")
                inside.run("checkout", "--quiet", "-b", branch)
                inside.run("commit", "--quiet", "-m", message, "--", str(self.file))
                commit = inside.run("rev-parse", "HEAD")
                if self.push is not None:
                    inside.push(self.push, branch)
                return commit
            finally:
                git.run("worktree", "remove", "--force", str(tree))


def set_run(text: str, *, model: str | None, run: str, where: str) -> str:
    """Return a YAML text with runID of one SuggestionModel changed. Raises GitError."""
    starts = [0, *(found.end() for found in _DOCUMENT.finditer(text))]
    ends = [*(found.start() for found in _DOCUMENT.finditer(text)), len(text)]
    parts = [(start, end) for start, end in zip(starts, ends, strict=True) if _is_model(text[start:end], model, where)]
    wanted = f"SuggestionModel {model}" if model is not None else "SuggestionModel"
    if len(parts) != 1:
        raise GitError(f"{where}: {len(parts)} documents are {wanted}; exactly one is required (see --model)")
    start, end = parts[0]
    found = _RUN.findall(text[start:end])
    if len(found) != 1:
        raise GitError(f"{where}: runID occurs {len(found)} times in {wanted}; it must occur once, on a separate line")
    return text[:start] + _RUN.sub(rf"\g<key>{run}", text[start:end]) + text[end:]


def _is_model(text: str, model: str | None, where: str) -> bool:
    try:
        found: Any = load_yaml(text)
    except yaml.YAMLError as error:
        raise GitError(f"{where}: not valid YAML ({' '.join(str(error).split())[:120]})") from None
    if not isinstance(found, dict) or found.get("kind") != names.KIND:
        return False
    return model is None or found.get("metadata", {}).get("name") == model


@dataclass(frozen=True, slots=True)
class _Git:
    folder: Path

    def push(self, remote: str, branch: str) -> None:
        """Push a branch to a remote, given by name or address. Raises GitError, which holds no password."""
        try:
            address = self.run("remote", "get-url", "--push", remote)
        except GitError:
            address = ""  # an address itself, or unknown: the push reports it
        self.run("push", "--quiet", remote, branch, addresses=(remote, address))

    def run(self, *arguments: str, addresses: tuple[str, ...] = ()) -> str:
        command = ("git", "-C", str(self.folder), *arguments)
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_TIMEOUT)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = getattr(error, "strerror", None) or f"no result within {_TIMEOUT} s"
            raise GitError(f"git {arguments[0]}: {reason}") from None
        if done.returncode:
            reason = without_secrets(" ".join((done.stderr or done.stdout).split()), *addresses)[:300]
            raise GitError(f"git {arguments[0]} in {self.folder}: {reason}")
        return done.stdout.strip()
