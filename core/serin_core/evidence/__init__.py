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
