"""What a rollout would do: the operator's own decision in virtual time, against traffic that is described or recorded.

traffic         who asks, how often, how it turns out; and the counts that this makes
recorded        counts that were once made
drawing         exact draws
cluster         as much of a cluster as a decision needs
playing         one rollout
watching        whether a look can move a rollout, so that the others need not be made
other_rules     the same stages under Flagger's and Argo Rollouts' rules
summing         many outcomes in a few numbers

Never reads a clock or the cluster, and never decides: `decide` does. The same seed gives the same answer.
"""
