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
from serin_training.errors import GitError

_DOCUMENT: Final = re.compile(r"^---[^\n]*\n?", re.MULTILINE)
_RUN: Final = re.compile(r"^(?P<key>[ \t]+(?:runID|\"runID\")[ \t]*:[ \t]*)(?P<value>[^\s#]+)", re.MULTILINE)
_TIMEOUT: Final = 120
"""In seconds, for one git command."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """The change to commit."""

    repository: Path
    file: Path
    """Relative to the repository."""
    model: str | None
    """Name of the SuggestionModel; None if the file holds only one."""
    run: str
    message: str

    @property
    def branch(self) -> str:
        """Branch of the commit."""
        return f"serin/{self.run}"


def propose(proposal: Proposal, *, push: str | None) -> str:
    """Commit the change on its branch, push it if a remote is given, and return the commit. Raises GitError."""
    git = _Git(proposal.repository)
    git.run("rev-parse", "--is-inside-work-tree")
    with tempfile.TemporaryDirectory(prefix="serin-git-") as folder:
        tree = Path(folder) / "tree"
        git.run("worktree", "add", "--quiet", "--detach", str(tree))
        try:
            inside = _Git(tree)
            path = tree / proposal.file
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise GitError(f"{proposal.file}: {error}; it must be a committed YAML file") from None
            path.write_text(set_run(text, model=proposal.model, run=proposal.run, where=str(proposal.file)), "utf-8")
            inside.run("checkout", "--quiet", "-b", proposal.branch)
            inside.run("commit", "--quiet", "-m", proposal.message, "--", str(proposal.file))
            commit = inside.run("rev-parse", "HEAD")
            if push is not None:
                inside.push(push, proposal.branch)
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
        found: Any = yaml.safe_load(text)
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
