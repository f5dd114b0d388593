"""Errors of training. Every message is one line: what is wrong, where, and what would be right.

Commands exit with status 2 after a DataError or an OptionError, with 1 after the others, SourceBrokenError among them,
and after the errors of registries (serin_registry.errors).
"""


class TrainingError(Exception):
    """Base class of all errors of training; never raised itself."""


class DataError(TrainingError):
    """The data cannot be used, or is too little to learn from."""


class SourceBrokenError(DataError):
    """A source broke off while it was read; nothing is wrong with the command."""


class OptionError(TrainingError):
    """An option or an environment variable cannot be used."""


class KubernetesApiError(TrainingError):
    """The Kubernetes API did not answer or refused the request."""


class EngineError(TrainingError):
    """The machines to train on are unavailable or failed."""


class GitError(TrainingError):
    """The run could not be proposed in Git; the repository is unchanged."""
