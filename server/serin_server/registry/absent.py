"""The one thing that a registry may say beside a file's content."""


class AbsentError(Exception):
    """The registry is there, and has no such file. The message is one line."""
