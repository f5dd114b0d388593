"""Exit statuses of `serin`, the same in every release (docs/commands.md, "Exit status")."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    """The cluster cannot be reached or answered with an error; a question was answered with no."""
    USAGE = 2
    """Wrong usage, or a file that cannot be read."""
    ROLLED_BACK = 3
    """`watch`: the rollout was rolled back or stopped."""
    REFUSED = 4
    """The state does not allow the action, or the operator refused the run or ignored the request."""
    TIMED_OUT = 5
    """`watch --timeout`, or no answer of the operator in time."""
    NOT_FOUND = 6
    """There is no such SuggestionModel or pod, or it was deleted."""
