"""What may follow on an unfinished command line: commands, options, their values, names and runs from the cluster.

`serin __complete WORDS` and `kubectl_complete-serin WORDS` print them as cobra does: one a line, a tab and a
description, and last a directive, by which kubectl and the scripts of completion.py know whether to offer files.
"""

import math
import os
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final, Literal, Protocol, get_args, get_origin

from serin_cli.catalog import commands_below
from serin_cli.option_order import command_first, options_before

_SECONDS: Final = "SERIN_COMPLETION_SECONDS"
"""Environment variable: seconds after which nothing is completed, so that the shell does not hang."""
_WITHIN: Final = 3.0
_FILES, _NO_FILES = ":0", ":4"
"""cobra's directives: offer files, too, or none."""
_CONNECTION: Final = ("namespace", "context", "kubeconfig")
_KINDS: Final = ("sgm/", "suggestionmodel/")
Source = Literal["names", "runs", "restorable", "pods", "namespaces", "contexts"]
_SOURCES: Final[Mapping[str, Source]] = {
    "name": "names",
    "model": "names",
    "run": "runs",
    "to": "restorable",
    "pod": "pods",
    "namespace": "namespaces",
    "operator_namespace": "namespaces",
    "context": "contexts",
}
"""What of the cluster completes the value of a parameter, by its name."""


class Lookup(Protocol):
    """Reads what completes a value from the cluster; the options of the line choose it."""

    def __call__(self, source: Source, name: str | None, connection: Mapping[str, str]) -> Iterable[str]:
        """Return the values. Raises any error of a request."""


class Loader(Protocol):
    """Imports a command."""

    def __call__(self, name: str, /) -> Any:
        """Return the command with its parameters."""


@dataclass(frozen=True, slots=True)
class _Line:
    """The words of a line behind its command, taken apart."""

    positional: tuple[str, ...]
    values: Mapping[str, str]
    pending: Any
    """The option whose value is to be completed; None if there is none."""


def complete(words: Sequence[str], *, load: Loader, lookup: Lookup) -> list[str]:
    """Return the lines that complete the last word; "" completes a new one."""
    done, last = list(words[:-1]), words[-1] if words else ""
    before = options_before(done)
    if before == len(done):
        return _offered(() if last.startswith("-") else commands_below().items(), last)
    # A value that is missing before the command: `list` has all options that may stand there.
    name, *rest = ["list", *done] if before > len(done) else command_first(done)
    command = load(name)
    while getattr(command, "commands", None):
        if not rest:
            return _offered(((name, one.short_help or one.help) for name, one in command.commands.items()), last)
        command, rest = command.get_command(None, rest[0]), rest[1:]
    return _of_command(command, _taken_apart(command, rest), last, lookup)


def _of_command(command: Any, line: _Line, last: str, lookup: Lookup) -> list[str]:
    if line.pending is not None:
        return _values(line.pending, line, last, lookup)
    if last.startswith("-"):
        options = [param for param in command.params if param.param_type_name == "option"]
        return _offered(((name, param.help) for param in options for name in param.opts if name.startswith("--")), last)
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    index = len(line.positional)
    return _values(arguments[index], line, last, lookup) if index < len(arguments) else [_NO_FILES]


def _taken_apart(command: Any, words: Sequence[str]) -> _Line:
    options = {name: param for param in command.params for name in param.opts if name.startswith("-")}
    positional, values, pending = [], {}, None
    for word in words:
        if pending is not None:
            values[pending.name], pending = word, None
        elif not word.startswith("-"):
            positional.append(word)
        else:
            name, is_joined, value = word.partition("=")
            param = options.get(name)
            if param is not None and is_joined:
                values[param.name] = value
            elif param is not None and not param.is_flag:
                pending = param
    return _Line(tuple(positional), values, pending)


def _values(param: Any, line: _Line, last: str, lookup: Lookup) -> list[str]:
    annotation = param.type_descriptor.annotation
    if get_origin(annotation) is Literal:
        return _offered(((value, None) for value in get_args(annotation)), last)
    source = _SOURCES.get(param.name)
    if source is None:
        return [_FILES]
    kind = next((kind for kind in _KINDS if last.startswith(kind)), "")
    connection = {option: line.values[option] for option in _CONNECTION if option in line.values}
    name = line.positional[0].rpartition("/")[2] if line.positional else None
    return _offered(((f"{kind}{value}", None) for value in lookup(source, name, connection)), last)


def _offered(found: Iterable[tuple[str, str | None]], last: str) -> list[str]:
    """Return the lines of those that continue a word, with the first sentence of their descriptions."""
    lines = [
        f"{value}\t{' '.join(text.split()).partition('. ')[0]}" if text else value
        for value, text in found
        if value.startswith(last)
    ]
    return [*lines, _NO_FILES]


def look_up(source: Source, name: str | None, connection: Mapping[str, str]) -> Iterable[str]:
    """Return names, runs, pods, namespaces or contexts, from the cluster and the kubeconfig.

    Raises any error of a request.
    """
    if source == "contexts":
        from kubernetes.config import list_kube_config_contexts  # noqa: PLC0415

        return [one["name"] for one in list_kube_config_contexts(config_file=connection.get("kubeconfig"))[0]]
    from serin_cli.connection import Connection  # noqa: PLC0415
    from serin_cli.resource import known_runs, restorable  # noqa: PLC0415

    file = connection.get("kubeconfig")
    chosen = Connection(connection.get("namespace"), connection.get("context"), Path(file) if file else None)
    cluster = chosen.open()
    match source:
        case "names":
            return cluster.names()
        case "namespaces":
            found = cluster.models(all_namespaces=True)["items"]
            return sorted({one["metadata"]["namespace"] for one in found})
    if name is None:
        return []
    if source == "pods":
        return sorted(pod["metadata"]["name"] for pod in cluster.pods(name))
    live = cluster.get(name)
    return restorable(live) if source == "restorable" else known_runs(live)


def print_completions(words: Sequence[str]) -> None:
    """Print what completes the last word, and nothing else: without an answer in time, or on any error, nothing."""
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.setitimer(signal.ITIMER_REAL, _seconds(os.environ.get(_SECONDS, "")))
    from serin_cli.main import load  # noqa: PLC0415 - which imports this module

    try:
        with redirect_stderr(StringIO()):
            lines = complete(words, load=load, lookup=look_up)
    except (Exception, SystemExit):  # noqa: BLE001 - an error would appear in the middle of the user's line
        lines = [_NO_FILES]
    print("\n".join(lines))  # noqa: T201


def _seconds(text: str) -> float:
    """Return a number of seconds above 0, the default for anything else."""
    try:
        found = float(text)
    except ValueError:
        return _WITHIN
    return found if 0 < found < math.inf else _WITHIN


def main() -> None:
    """Run `kubectl_complete-serin`, which kubectl calls with the words behind `kubectl serin`."""
    print_completions(sys.argv[1:])
