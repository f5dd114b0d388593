"""Errors of training. Every message is one line: what is wrong, where, and what would be right.

    TrainingError
    |-- DataError            the data cannot be used, or is too little to learn from (exit status 2)
    |-- OptionError          an option or an environment variable cannot be used (exit status 2)
    |-- EngineError          the machines to train on are unavailable or failed (exit status 1)
    |-- GitError             the run could not be proposed in Git; the repository is unchanged (exit status 1)
    '-- KubernetesApiError   the Kubernetes API did not answer or refused (exit status 1)

Only the leaves are raised. Errors of registries are those of serin_registry.errors (exit status 1).
"""


class TrainingError(Exception):
    """Base class of all errors of training."""


class DataError(TrainingError):
    """The data cannot be used, or is too little to learn from."""


class OptionError(TrainingError):
    """An option or an environment variable cannot be used."""


class KubernetesApiError(TrainingError):
    """The Kubernetes API did not answer or refused the request."""


class EngineError(TrainingError):
    """The machines to train on are unavailable or failed."""


class GitError(TrainingError):
    """The run could not be proposed in Git; the repository is unchanged."""
