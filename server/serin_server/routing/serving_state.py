"""The state that requests are served by: one frozen value, replaced as a whole when routing or runs change.

A request keeps the value with which it began, so its stage, arm and routing never change in between.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from serin_core.contract.documents import RoutingDocument, ServedRun
from serin_core.contract.routing import is_unsupervised, percent_of, route, seed, user_hash
from serin_core.model.inputs import InputCounts
from serin_server.metrics.counters import Counters, StageCounts, StageKey
from serin_server.runs.predictor import Loaded

RULES_ALONE: Final = "rules"
"""The label run_id without a candidate and a stable run."""
NO_REVISION: Final = -1

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NamedRun:
    """A run in the routing document, and the loaded run with the same digest if there is one."""

    served: ServedRun
    loaded: Loaded | None = None
    inputs: InputCounts | None = None
    """Where its inputs are counted; None if it is not loaded, or has no bins for them."""


@dataclass(frozen=True, slots=True)
class Serving:
    """Routing of this pod, and the counters of the stage."""

    revision: int
    hash: str
    salt: str
    shadow: bool
    candidate: NamedRun | None
    stable: NamedRun | None
    percent: float
    """Share of users in the canary; 0 if the document may be stale, or no operator watches the candidate."""
    counts: StageCounts
    seed: int
    """Seed of the hash of users, from the salt."""
    is_unsupervised: bool = False
    """Whether the candidate answers nobody, because no operator watches it."""

    def user_hash(self, user_id: str | None) -> int:
        """Return the 64-bit hash of a user, the same on every pod of a rollout; 0 without a user."""
        if not user_id:
            return 0
        return user_hash(user_id, self.seed)


def serve(
    document: RoutingDocument | None,
    *,
    announced: int | None,
    loaded: Mapping[str, Loaded],
    counters: Counters,
    silence: float = 0.0,
) -> Serving:
    """Return the state for a document and the loaded runs. Without a document the rules serve all users.

    `silence` is the number of seconds since the operator asked for the pod's status. A user in the canary is counted
    there even if the candidate is not loaded on this pod: as unavailable.
    """
    if document is None:
        counts = counters.begin_stage(StageKey(RULES_ALONE, NO_REVISION), ())
        return Serving(
            NO_REVISION, "", "", shadow=False, candidate=None, stable=None, percent=0.0, counts=counts, seed=0
        )
    digests = {run: one.predictor.digest for run, one in loaded.items()}
    here = route(document, loaded=digests, announced=announced, unheard=silence)
    inputs = counters.count_inputs({run: one.predictor.input_bins for run, one in loaded.items()})
    candidate = _name(document.candidate, usable=here.candidate, loaded=loaded, inputs=inputs)
    stable = _name(document.stable, usable=here.stable, loaded=loaded, inputs=inputs)
    subject = candidate or stable
    counts = counters.begin_stage(
        StageKey(RULES_ALONE if subject is None else subject.served.run, document.stage),
        () if subject is None or subject.loaded is None else subject.loaded.predictor.classes,
    )
    return Serving(
        document.revision,
        document.hash(),
        document.salt,
        shadow=document.shadow,
        candidate=candidate,
        stable=stable,
        percent=percent_of(document, announced=announced, unheard=silence),
        counts=counts,
        seed=seed(document.salt),
        is_unsupervised=is_unsupervised(document, unheard=silence),
    )


def _name(
    served: ServedRun | None,
    *,
    usable: ServedRun | None,
    loaded: Mapping[str, Loaded],
    inputs: Mapping[str, InputCounts],
) -> NamedRun | None:
    if served is None:
        return None
    return NamedRun(served) if usable is None else NamedRun(served, loaded[usable.run], inputs.get(usable.run))


class Switch:
    """Holds the current state. Used from the event loop only."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._document: RoutingDocument | None = None
        self._announced: int | None = None
        self._loaded: Mapping[str, Loaded] = {}
        self._silence: Callable[[], float] = lambda: 0.0
        self.current = self._serve()
        """The state for new requests."""

    def set_routing(self, document: RoutingDocument | None, *, announced: int | None) -> None:
        """Apply an admitted document and the revision in the pod's annotation."""
        self._document, self._announced = document, announced
        self.current = self._serve()

    def set_runs(self, loaded: Mapping[str, Loaded]) -> None:
        """Apply the loaded runs, by name."""
        self._loaded = dict(loaded)
        self.current = self._serve()

    def set_silence(self, silence: Callable[[], float]) -> None:
        """Set the source of the seconds since the operator asked for the status of this pod."""
        self._silence = silence
        self.check_supervision()

    @property
    def supervision_seconds(self) -> float | None:
        """How long the candidate may serve users without the operator; None without a limit, or if it serves nobody."""
        candidate = None if self._document is None else self._document.candidate
        return None if candidate is None or candidate.percent == 0 else candidate.supervision_seconds

    def check_supervision(self) -> None:
        """Withdraw the candidate from users if no operator watches it any more; return it when one does again."""
        document = self._document
        is_lapsed = document is not None and is_unsupervised(document, unheard=self._silence())
        if is_lapsed is self.current.is_unsupervised:
            return
        self.current = self._serve()
        if is_lapsed:
            _log.warning(
                "no operator has asked for the status of this pod for %.0f s (canary.supervisionTimeout): "
                "the candidate answers no user until one does",
                self._silence(),
            )
        else:
            _log.warning("the operator watches again: the candidate answers users again")

    def _serve(self) -> Serving:
        return serve(
            self._document,
            announced=self._announced,
            loaded=self._loaded,
            counters=self._counters,
            silence=self._silence(),
        )
