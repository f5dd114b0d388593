"""What can go wrong in training, as one tree. Every message is one line: what is wrong, where, what would be right.

    TrainingError
    |-- DataError        the data cannot be used, or does not hold enough to learn from (exit status 2)
    |-- SettingsError    an option or an environment variable cannot be used (exit status 2)
    |-- EngineError      the machines to train on could not be had, or did not do their work (exit status 1)
    |-- GitError         the run could not be proposed in Git; the repository is as it was (exit status 1)
    '-- ClusterError     the cluster could not be asked, or did not do it (exit status 1)

Never raised itself: only the leaves are. Errors of registries are those of serin_registry.errors (exit status 1).
"""


class TrainingError(Exception):
    """Any of the errors of this room."""


class DataError(TrainingError):
    """The data cannot be used, or does not hold enough to learn from."""


class SettingsError(TrainingError):
    """An option or an environment variable cannot be used."""


class ClusterError(TrainingError):
    """The cluster could not be asked, or did not do it."""


class EngineError(TrainingError):
    """The machines to train on could not be had, or did not do their work."""


class GitError(TrainingError):
    """The run could not be proposed in Git; the repository is as it was."""
