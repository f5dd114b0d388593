"""Refusal of an edit of the spec that Argo CD, Flux or Helm would undo."""

from collections.abc import Mapping
from typing import Any

import yaml

from serin_cli.exit_codes import ExitCode
from serin_cli.options import fail
from serin_cli.resource import Live
from serin_core.kubernetes.owner import Owner, owner_of


def refuse_if_owned(live: Live, change: Mapping[str, Any], *, can_be_forced: bool) -> None:
    """Exit with status 4 and what to commit if a tool would set a changed spec back. An empty change is allowed."""
    if instead := what_to_commit(live, change, can_be_forced=can_be_forced):
        raise fail(instead, ExitCode.REFUSED)


def what_to_commit(live: Live, change: Mapping[str, Any], *, can_be_forced: bool = False) -> str:
    """Return what to commit instead of a change that a tool would set back, "" if none would or nothing changes."""
    owner = owner_of(live) if change else None
    return "" if owner is None else _what_to_commit(owner, change, can_be_forced=can_be_forced)


def _what_to_commit(owner: Owner, change: Mapping[str, Any], *, can_be_forced: bool) -> str:
    lines = yaml.safe_dump({"spec": _without_removed(change)}, sort_keys=False).rstrip()
    indented = "\n".join(f"  {line}" for line in lines.splitlines())
    now = " To act before the commit takes effect, use --force." if can_be_forced else ""
    return f"{owner.name} sets spec.runID. Commit this instead:\n{indented}\nOr {owner.remedy}.{now}"


def _without_removed(change: Mapping[str, Any]) -> dict[str, Any]:
    """Return an edit as it is written into a file: what a merge patch removes is left out."""
    return {
        key: _without_removed(value) if isinstance(value, Mapping) else value
        for key, value in change.items()
        if value is not None
    }
