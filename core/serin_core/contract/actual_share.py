"""What is counted of the share that a candidate really serves: users in the canary, and requests that it answered."""

from typing import Final

from serin_core.contract import names
from serin_core.contract.gate_catalog import Term

USERS: Final = "actualUsers"
REQUESTS: Final = "actualRequests"
TERMS: Final = {
    USERS: (
        Term(names.USERS_COMPARE, names.SERIES_ARM, names.ARM_CANARY, good=1, total=1),
        Term(names.USERS_COMPARE, names.SERIES_ARM, names.ARM_CONTROL, good=0, total=1),
    ),
    REQUESTS: (
        Term(names.PREDICTIONS, "accepted", "True", good=1, total=1),
        Term(names.PREDICTIONS, "accepted", "False", good=0, total=1),
    ),
}
"""By key of a count: good is what the candidate served, in both arms together."""
METRICS: Final = frozenset(term.metric for terms in TERMS.values() for term in terms)
