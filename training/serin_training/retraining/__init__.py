"""Training again if there is a reason to, and proposing the new run.

policy       whether to train again, and whether the new run is good enough
targets      where a run is proposed: only `latest`, the spec of an object, or a Git commit
git_commit   the Git commit
retrain      the steps, in order
"""
