"""Training again where there is a reason to, and proposing what comes of it.

worth           whether to train again, and whether the new run is good enough
destination     where a run is proposed: nowhere, in an object's spec, or by a commit
proposing       the commit
retrain         the steps, in order
"""
