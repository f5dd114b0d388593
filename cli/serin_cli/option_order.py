"""Options that stand before the command, as in `kubectl serin -n shop status`. Pure."""

from collections.abc import Sequence
from typing import Final

_WITH_VALUE: Final = ("-n", "--namespace", "--context", "--kubeconfig", "-o", "--output")
_FLAGS: Final = ("-A", "--all-namespaces", "-w", "--watch")


def command_first(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with shared options that stand before the command moved behind it.

    Any other option before the command stays there, where it is reported as unknown.
    """
    end = options_before(arguments)
    return [*arguments[end : end + 1], *arguments[:end], *arguments[end + 1 :]]


def options_before(arguments: Sequence[str]) -> int:
    """Return how many arguments before the command are shared options; one more than there are for a missing value."""
    end = 0
    while end < len(arguments) and (length := _length(arguments[end])):
        end += length
    return end


def _length(word: str) -> int:
    """Return how many arguments an option takes up that may stand before the command; 0 for any other word."""
    name = word.partition("=")[0]
    if name in _FLAGS:
        return 1
    if name in _WITH_VALUE:
        return 1 if "=" in word else 2
    # A value may follow its short option without a space: -nshop.
    return int(word[:2] in _WITH_VALUE and not word.startswith("--"))
