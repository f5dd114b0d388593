"""Anytime-valid evidence: how counts turn into a verdict that may be looked at as often as one likes.

counts      what was counted, and what may be said of it
bounds      what a gate asks of a rate, and how sure it must be
beta        the numerics: tails of the beta distribution in logarithms
rate        the evidence about one rate, both ways
late_harm   the same for harm that began after the stage did
two_arms    the evidence that the canary is worse than the control group
judging     the verdict
planning    requests still needed, least possible, and enough for certain
display     the confidence sequence to show

Never reads, waits or keeps: every answer is a function of the counts it is given.
"""

from serin_core.evidence import change_point, two_sample
from serin_core.evidence.bounds import Alphas, AtLeast, AtMost, Bound, Within
from serin_core.evidence.change_point import BEGINNING, Start, keep
from serin_core.evidence.confidence_sequence import confidence_sequence
from serin_core.evidence.counts import Counts, Verdict
from serin_core.evidence.rate import CONCENTRATION, Claim, Side, log_evidence_above, log_evidence_below
from serin_core.evidence.sample_size import Least, certain_by, least, needed
from serin_core.evidence.verdict import judge, log_limit

__all__ = [
    "BEGINNING",
    "CONCENTRATION",
    "Alphas",
    "AtLeast",
    "AtMost",
    "Bound",
    "Claim",
    "Counts",
    "Least",
    "Side",
    "Start",
    "Verdict",
    "Within",
    "certain_by",
    "change_point",
    "confidence_sequence",
    "judge",
    "keep",
    "least",
    "log_evidence_above",
    "log_evidence_below",
    "log_limit",
    "needed",
    "two_sample",
]
