"""Simulated rollouts: the operator's own decision logic in virtual time, with described or recorded traffic.

traffic       traffic as a user describes it, and the counts that it makes
replay        recorded counts
sampling      exact random draws
fake_cluster  as much of a cluster as a decision needs
rollout       one rollout
stage_checks  whether a check can move a rollout; the others are skipped
baselines     the same stages under the rules of Flagger and Argo Rollouts
scenarios     many rollouts, by number
summary       many outcomes in a few numbers

Reads no clock and no cluster; decisions are made by `decide`. The same seed gives the same result.
"""
