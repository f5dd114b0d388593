"""One server process: the server's own parts with runs that stand in, and the log of what it answered.

The log is kept beside the server's counters, from what the runs were asked and what users got, so that evidence can be
recounted from it.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from faults.history import History
from faults.stand_ins import Registry, StandIn, rule_for, transaction
from serin_core.contract import environment, names
from serin_core.contract.documents import ServedRun
from serin_core.contract.routing import in_canary
from serin_server.decision import FromRun
from serin_server.event_ids import verify
from serin_server.feedback import record_feedback
from serin_server.http.app import create_api
from serin_server.metrics.exposition import Exposition
from serin_server.routing.serving_state import NamedRun
from serin_server.service import build_service
from serin_server.settings import NoStoreSettings, OperatorMode, Settings

PANEL = 24
"""Users of each batch in turn who are the same on all pods; their transaction is one that every run answers."""
_PANEL_TRANSACTION = 1
_FEEDBACK_EVERY = 10


def settings(live: dict[str, Any], folder: Path) -> Settings:
    """Return the settings that a pod's environment gives its process, with its directories below `folder`."""
    variables = {one["name"]: one.get("value", "") for one in live["spec"]["containers"][0]["env"]}
    metadata = live["metadata"]
    return Settings(
        host="127.0.0.1",
        port=0,
        model=f"{metadata['namespace']}/{metadata['labels'][names.LABEL_MODEL]}",
        uid=metadata["labels"][names.LABEL_UID],
        pod=metadata["name"],
        mode=OperatorMode(
            model_dir=folder / "model",
            routing_dir=folder / "routing",
            pod_dir=folder / "pod",
            state_dir=folder / "state",
            registry="/registry",
            routing_key=variables.get(environment.ROUTING_KEY.name, ""),
        ),
        store=NoStoreSettings(),
        rules_file=folder / "rules" / names.RULES_KEY,
        tokens_dir=folder / "tokens",
        allow_anonymous=True,
        grace_seconds=1.0,
    )


class StoppedClock:
    """The clocks of the machine; the monotonic one stands still while a batch is answered.

    Otherwise a prediction would count as too slow wherever another process has the machine for 0.1 s.
    """

    now = staticmethod(time.time)

    def __init__(self) -> None:
        self._stopped_at: float | None = None

    def monotonic(self) -> float:
        """See Clock."""
        return time.perf_counter() if self._stopped_at is None else self._stopped_at

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Stop the clock until the block ends."""
        self._stopped_at = time.perf_counter()
        try:
            yield
        finally:
            self._stopped_at = None


class ServerProcess:
    """A process of a pod, from its start to its end."""

    def __init__(self, chosen: Settings, *, registry: Registry, history: History) -> None:
        self._history, self._stack, self._exposition = history, AsyncExitStack(), Exposition()
        self._clock = StoppedClock()
        self.service = build_service(chosen, clock=self._clock, read=registry)
        self.identity = self.service.identity
        app = create_api(self.service)
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://pod")
        self._applied: tuple[Any, ...] = ()
        self._users: dict[tuple[str, int], set[str]] = {}

    @property
    def _where(self) -> dict[str, str]:
        return {"uid": self.identity.uid, "pod": self.identity.pod, "process": self.identity.process}

    async def start(self) -> None:
        """Start the tasks of the process."""
        self._history.add("started", **self._where, runs=[one.run for one in self.service.model.runs])
        await self._stack.enter_async_context(self.service.running())
        self.note_routing()

    async def end(self) -> None:
        """End the process."""
        self._history.add("ended", **self._where)
        await self._client.aclose()
        await self._stack.aclose()

    def note_routing(self) -> None:
        """Record the routing in use, if it is another one than before."""
        serving = self.service.switch.current
        seen = (serving.revision, serving.hash, serving.percent)
        if seen != self._applied:
            self._applied = seen
            self._history.add("applied", **self._where, revision=serving.revision, hash=serving.hash)

    async def respond(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        """Return what the server's own routes respond to the operator."""
        found = await self._client.request(method, path, content=body, headers=headers)
        self.note_routing()
        if headers.get(names.SUPERVISION_HEADER) and found.status_code == httpx.codes.OK:
            report = found.json()
            self._history.add("reported", **self._where, revision=report["revision"], hash=report["hash"])
        return found

    def metrics(self) -> bytes:
        """Return a scrape, and record that it was one."""
        scrape = self.service.scrape()
        self._history.add("scraped", **self._where)
        return self._exposition.write(scrape) or self._exposition.learn(scrape)

    async def answer(self, first: int, number: int) -> None:
        """Answer one transaction for each of `number` users, from user `first` on, and record the answers."""
        self.note_routing()
        serving = self.service.switch.current
        key = (serving.counts.key.run_id, serving.counts.key.stage)
        known = self._users.setdefault(key, set())
        shown: Counter[str] = Counter()
        arms: dict[str, Counter[str]] = {names.ARM_CANARY: Counter(), names.ARM_CONTROL: Counter()}
        panel, event_ids = {}, []
        users = [f"user-{first + index}" for index in range(number)] + [f"panel-{first // number % PANEL}"]
        for index, user in enumerate(users):
            is_panel = index == number
            one = transaction(_PANEL_TRANSACTION if is_panel else first + index, user)
            for named in (serving.candidate, serving.stable):
                _model(named).forget()
            with self._clock.standing_still():
                [suggestion] = self.service.suggester.suggest_now([one], serving)
            by = suggestion.answer.run if isinstance(suggestion.answer, FromRun) else "rules"
            shown[by] += 1
            if serving.candidate is None:
                continue
            is_in = in_canary(user, salt=serving.salt, percent=serving.percent)
            prediction = _model(serving.candidate).answer
            is_shown = by == serving.candidate.served.run
            if is_panel and isinstance(prediction, tuple):
                panel[user] = int(is_shown)
            counts = arms[names.ARM_CANARY if is_in else names.ARM_CONTROL]
            control = _control(serving.stable) or rule_for(one)
            agreement = _count(counts, prediction, control, serving.candidate.served, is_shown=is_in and is_shown)
            if agreement and user not in known:
                known.add(user)
                counts[f"users_{agreement}"] += 1
            if index % _FEEDBACK_EVERY == 0:
                event_ids.append(suggestion.event_id)
        self._history.add(
            "answered",
            **self._where,
            revision=serving.revision,
            hash=serving.hash,
            percent=serving.percent,
            run=key[0],
            stage=key[1],
            shown=dict(shown),
            asked=len(users),
            panel=panel,
            arms={arm: dict(counts) for arm, counts in arms.items()},
        )
        for event_id in event_ids:
            await self._feed_back(event_id)

    async def _feed_back(self, event_id: str) -> None:
        service = self.service
        event = verify(event_id, service.tokens.keys())
        _, is_first = await record_feedback(
            event,
            accepted=True,
            label=None,
            classes=(),
            store=service.store,
            counters=service.counters,
            now=service.clock.now(),
        )
        if is_first:
            where = self._where | {"run": event.run_id, "stage": event.stage, "arm": event.arm.value}
            self._history.add("accepted", **where)


_NOBODY = StandIn("run_00000000_0")


def _model(named: NamedRun | None) -> StandIn:
    """Return the stand-in of a run of the routing; one that is never asked if it is not loaded."""
    found = None if named is None or named.loaded is None else named.loaded.predictor
    return found if isinstance(found, StandIn) else _NOBODY


def _control(stable: NamedRun | None) -> str:
    """Return what the stable run has answered, "" if the rules do."""
    answer = _model(stable).answer
    is_used = stable is not None and isinstance(answer, tuple) and answer[1] >= stable.served.thresholds.default
    return answer[0] if is_used and isinstance(answer, tuple) else ""


def _count(
    counts: Counter[str], prediction: tuple[str, float] | str | None, control: str, served: ServedRun, *, is_shown: bool
) -> str:
    """Count one transaction from what the candidate has answered; return whether it agrees with the control."""
    if prediction == "":
        counts["unavailable"] += 1
        return ""
    counts["available"] += 1
    if not isinstance(prediction, tuple):
        counts["failed"] += 1
        return ""
    label, confidence = prediction
    if confidence < served.thresholds.default:
        counts["low"] += 1
    else:
        counts["shown" if is_shown else "hidden"] += 1
    return "agree" if label == control else "differ"
