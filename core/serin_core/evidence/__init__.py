"""Anytime-valid evidence: how counts turn into a verdict that may be checked as often as needed.

counts               good and total, and the three verdicts
bounds               what a gate requires of a rate, and its error probabilities
beta                 numerics: tails of the beta distribution in logarithms
rate                 evidence about one rate, in both directions
change_point         the same for harm that began after the stage did
two_sample           evidence that the canary is worse than the control group
verdict              from evidence to a verdict
sample_size          requests still needed, minimum possible, and enough for certain
confidence_sequence  the interval to display

Pure: every result is a function of the counts that are passed in.
"""

from serin_core.evidence import change_point, two_sample
from serin_core.evidence.bounds import Alphas, AtLeast, AtMost, Bound, Within
from serin_core.evidence.change_point import BEGINNING, FIRST_CHECK, KeptChecks, Start, keep
from serin_core.evidence.confidence_sequence import confidence_sequence, one_sided_bound
from serin_core.evidence.counts import Counts, Verdict
from serin_core.evidence.rate import CONCENTRATION, Claim, Side, log_evidence_above, log_evidence_below
from serin_core.evidence.sample_size import Least, certain_by, least, needed
from serin_core.evidence.verdict import judge, log_limit

__all__ = [
    "BEGINNING",
    "CONCENTRATION",
    "FIRST_CHECK",
    "Alphas",
    "AtLeast",
    "AtMost",
    "Bound",
    "Claim",
    "Counts",
    "KeptChecks",
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
    "one_sided_bound",
    "two_sample",
]
