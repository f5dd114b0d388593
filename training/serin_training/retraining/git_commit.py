"""Proposing a run in Git: one commit on a branch of its own, in which one `runID` has changed.

Works in a temporary work tree: what stands in the user's own checkout is never touched. Only the value changes;
comments and order stay as they are.
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
_SECONDS: Final = 120


@dataclass(frozen=True, slots=True)
class Proposal:
    """What to change, and where."""

    repository: Path
    file: Path
    """Below the repository."""
    model: str | None
    """The SuggestionModel's name; None where the file holds one only."""
    run: str
    message: str

    @property
    def branch(self) -> str:
        """Answer the branch that the commit goes to."""
        return f"serin/{self.run}"


def propose(proposal: Proposal, *, push: str | None) -> str:
    """Commit the change on its branch, push it to a remote where one is named, answer the commit. Raises GitError."""
    git = _Git(proposal.repository)
    git.ask("rev-parse", "--is-inside-work-tree")
    with tempfile.TemporaryDirectory(prefix="serin-git-") as folder:
        tree = Path(folder) / "tree"
        git.ask("worktree", "add", "--quiet", "--detach", str(tree))
        try:
            inside = _Git(tree)
            path = tree / proposal.file
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise GitError(f"{proposal.file}: {error}; it must be a YAML file that is committed") from None
            path.write_text(name_run(text, model=proposal.model, run=proposal.run, where=str(proposal.file)), "utf-8")
            inside.ask("checkout", "--quiet", "-b", proposal.branch)
            inside.ask("commit", "--quiet", "-m", proposal.message, "--", str(proposal.file))
            commit = inside.ask("rev-parse", "HEAD")
            if push is not None:
                inside.push(push, proposal.branch)
            return commit
        finally:
            git.ask("worktree", "remove", "--force", str(tree))


def name_run(text: str, *, model: str | None, run: str, where: str) -> str:
    """Answer a YAML text in which one SuggestionModel names another run. Raises GitError."""
    starts = [0, *(found.end() for found in _DOCUMENT.finditer(text))]
    ends = [*(found.start() for found in _DOCUMENT.finditer(text)), len(text)]
    parts = [(start, end) for start, end in zip(starts, ends, strict=True) if _is_model(text[start:end], model, where)]
    wanted = f"SuggestionModel {model}" if model is not None else "SuggestionModel"
    if len(parts) != 1:
        raise GitError(f"{where}: it holds {len(parts)} of {wanted}; needed is exactly one (--model names it)")
    start, end = parts[0]
    found = _RUN.findall(text[start:end])
    if len(found) != 1:
        raise GitError(f"{where}: runID stands {len(found)} times in {wanted}; needed is once, on a line of its own")
    return text[:start] + _RUN.sub(rf"\g<key>{run}", text[start:end]) + text[end:]


def _is_model(text: str, model: str | None, where: str) -> bool:
    try:
        found: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise GitError(f"{where}: it is no YAML ({' '.join(str(error).split())[:120]})") from None
    if not isinstance(found, dict) or found.get("kind") != names.KIND:
        return False
    return model is None or found.get("metadata", {}).get("name") == model


@dataclass(frozen=True, slots=True)
class _Git:
    folder: Path

    def push(self, remote: str, branch: str) -> None:
        """Push a branch to a remote, given by name or address. Raises GitError, which holds no password."""
        try:
            address = self.ask("remote", "get-url", "--push", remote)
        except GitError:
            address = ""  # an address itself, or unknown: the push reports it
        self.ask("push", "--quiet", remote, branch, addresses=(remote, address))

    def ask(self, *arguments: str, addresses: tuple[str, ...] = ()) -> str:
        command = ("git", "-C", str(self.folder), *arguments)
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_SECONDS)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = getattr(error, "strerror", None) or f"no result within {_SECONDS} s"
            raise GitError(f"git {arguments[0]}: {reason}") from None
        if done.returncode:
            reason = without_secrets(" ".join((done.stderr or done.stdout).split()), *addresses)[:300]
            raise GitError(f"git {arguments[0]} in {self.folder}: {reason}")
        return done.stdout.strip()
