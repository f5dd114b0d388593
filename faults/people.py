"""What people do during a storm: they ask for things, and edit and delete what they should not."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from random import Random
from typing import Any

from faults.recorder import Recorder
from faults.world import DESTINATION, NAMESPACE, World
from serin_core.contract import names
from serin_localcluster.node.api import ApiError

PATH = f"/apis/{names.API_VERSION}/namespaces/{NAMESPACE}/{names.PLURAL}"
STEPS = (25, 60, 100)
Action = Callable[[str], Awaitable[None]]
"""Does something with the resource of a name."""
_CORE = f"/api/v1/namespaces/{NAMESPACE}"
_APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}"


def model(name: str, run: str, *, pods: int, bake: str, is_approved: bool, has_query: bool) -> dict[str, Any]:
    """Return a SuggestionModel whose stages take seconds; some wait for an approval, some have a query gate."""
    gates: dict[str, Any] = {
        "errors": {"atLeast": 0.9},
        "latency": {"atLeast": 0.8},
        "lowConfidence": {"mode": "DryRun"},
    }
    if has_query:
        # Met whenever Prometheus has any data.
        gates["queries"] = [{"name": "state", "query": "max(up) + 1", "atLeast": 1, "for": "1s"}]
    steps = [{"percent": percent, "soak": "2s"} for percent in STEPS]
    if is_approved:
        steps[1]["approval"] = "Manual"
    spec = {
        "runID": run,
        "registry": {"uri": "/registry", "volume": {"claimName": "registry"}},
        "canary": {
            "shadowSoak": "2s",
            "steps": steps,
            "supervisionTimeout": "1m",
        },
        "bake": {"duration": bake},
        "gates": gates,
        "analysis": {"interval": "1s"},
        "notifications": [DESTINATION],
        "server": {"replicas": pods, "token": {"secretName": "tokens"}, "rules": {"configMapName": "rules"}},
    }
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata, "spec": spec}


class People:
    """Users of the resources, each action drawn at random."""

    def __init__(self, world: World, random: Random) -> None:
        self._world, self._random = world, random
        self._actions: dict[Action, float] = {
            self._abort: 1,
            self._promote: 3,
            self._promote_wrong_stage: 2,
            self._pause_and_resume: 2,
            self._pause_for_a_while: 2,
            self._retry: 2,
            self._repeat: 2,
            self._edit_routing: 4,
            self._delete_child: 3,
            self._edit_deployment: 2,
            self._edit_status: 2,
            self._edit_spec_ten_times: 2,
            self._suspend: 1,
            self._touch: 2,
            self._recreate: 0.7,
        }
        self._asked: list[tuple[str, str, str]] = []
        self.on_recreate: Callable[[str], None] = lambda _name: None

    @property
    def _recorder(self) -> Recorder:
        return self._world.recorder

    async def act(self) -> None:
        """Do something with some resource."""
        if not self._recorder.models:
            return
        name = self._random.choice(sorted(self._recorder.models))
        [action] = self._random.choices(list(self._actions), list(self._actions.values()))
        self._world.history.add("fault", what=action.__name__.strip("_").replace("_", " "), on=name, of="people")
        try:
            await action(name)
        except (ApiError, KeyError, ValueError):
            return  # what it acts on is gone, or edited already

    def _status(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._recorder.models[name].get("status", {})
        return found

    def _run(self, name: str) -> str:
        return str(self._recorder.models[name]["spec"]["runID"])

    async def _request(self, name: str, action: str, *words: str) -> None:
        when = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        await self._annotate(name, action, " ".join((*words, when, "by=storm")))

    async def _annotate(self, name: str, action: str, value: str) -> None:
        self._asked.append((name, action, value))
        uid = self._recorder.models[name]["metadata"]["uid"]
        self._world.history.add("requested", name=name, uid=uid, action=action, value=value)
        annotations = {f"{names.REQUEST_PREFIX}{action}": value}
        await self._world.api.merge(f"{PATH}/{name}", {"metadata": {"annotations": annotations}})

    async def _abort(self, name: str) -> None:
        await self._request(name, "abort", self._run(name))

    async def _promote(self, name: str) -> None:
        percent = self._status(name).get("candidate", {}).get("percent", 0)
        await self._request(name, "promote", self._run(name), f"{percent:g}")

    async def _promote_wrong_stage(self, name: str) -> None:
        percent = self._status(name).get("candidate", {}).get("percent", 0)
        other = self._random.choice([one for one in (0, *STEPS) if one != percent])
        await self._request(name, "promote", self._run(name), f"{other:g}")

    async def _pause_and_resume(self, name: str) -> None:
        await self._request(name, "pause", self._run(name))
        await self._request(name, "resume", self._run(name))

    async def _pause_for_a_while(self, name: str) -> None:
        await self._request(name, "pause", self._run(name))
        await asyncio.sleep(6)
        await self._request(name, "resume", self._run(name))

    async def resume(self, name: str) -> None:
        """Resume a rollout that is still paused, and give the operator time for it."""
        with suppress(ApiError, KeyError):
            await self._request(name, "resume", self._run(name))
        await asyncio.sleep(3)

    async def approve(self, name: str) -> None:
        """Approve the step that waits, and give the operator time for it."""
        with suppress(ApiError, KeyError):
            await self._promote(name)
        await asyncio.sleep(3)

    async def _retry(self, name: str) -> None:
        run = self._random.choice([self._run(name), "run_00000000_1"])
        await self._request(name, "retry", run)

    async def _repeat(self, name: str) -> None:
        """Write an old request again."""
        old = [(action, value) for asked, action, value in self._asked if asked == name]
        if old:
            await self._annotate(name, *self._random.choice(old))

    async def _edit_routing(self, name: str) -> None:
        path = f"{_CORE}/configmaps/{name}-routing"
        document = json.loads((await self._world.api.get(path))["data"][names.ROUTING_KEY])
        match self._random.randrange(5):
            case 0:
                text = "not a document"
            case 1:
                text = json.dumps(document | {"revision": document["revision"] + 1, "candidate": None})
            case 2:
                text = json.dumps(document | {"revision": max(0, document["revision"] - 3)})
            case number if document["candidate"] is None:
                text = json.dumps(document | {"salt": f"{number}"})
            case number:
                document["candidate"]["percent"] = 100
                document["revision"] += number - 3
                text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        changed = await self._world.api.merge(path, {"data": {names.ROUTING_KEY: text}})
        self._world.history.add("edited", name=name, version=changed["metadata"]["resourceVersion"], text=text)

    async def _delete_child(self, name: str) -> None:
        child = self._random.choice(
            [f"{_CORE}/configmaps/{name}-routing", f"{_CORE}/services/{name}", f"{_APPS}/deployments/{name}"]
        )
        await self._world.api.request("DELETE", child, {"propagationPolicy": "Background"})

    async def _edit_deployment(self, name: str) -> None:
        change = self._random.choice(
            [
                {"replicas": 0},
                {"replicas": 5},
                {"template": {"metadata": {"annotations": {"edited": str(time.time())}}}},
            ]
        )
        await self._world.api.merge(f"{_APPS}/deployments/{name}", {"spec": change})

    async def _edit_status(self, name: str) -> None:
        # What is written before the operator has written anything is no view: it is InvalidStatus until it is removed.
        if "operatorState" not in self._status(name):
            return
        change = self._random.choice(
            [{"phase": "Promoted"}, {"percent": 100.0}, {"stable": None}, {"gates": ["a: Pass"]}]
        )
        await self._world.api.merge(f"{PATH}/{name}/status", {"status": change})

    async def _edit_spec_ten_times(self, name: str) -> None:
        for number in range(10):
            change = self._random.choice(
                [
                    {"thresholds": {"default": 0.7 + 0.01 * (number % 3)}},
                    {"gates": {"errors": {"atLeast": 0.85 + 0.01 * (number % 4)}}},
                    {"suspend": number % 2 == 0},
                    {"canary": {"percent": 100}},
                ]
            )
            await self._world.api.merge(f"{PATH}/{name}", {"spec": change})
        await self._world.api.merge(f"{PATH}/{name}", {"spec": {"suspend": False}})

    async def _suspend(self, name: str) -> None:
        await self._world.api.merge(f"{PATH}/{name}", {"spec": {"suspend": True}})
        await asyncio.sleep(self._random.choice((0.2, 6)))
        await self._world.api.merge(f"{PATH}/{name}", {"spec": {"suspend": False}})

    async def _touch(self, name: str) -> None:
        await self._world.api.merge(f"{PATH}/{name}", {"metadata": {"labels": {"touched": f"{time.time():.0f}"}}})

    async def _recreate(self, name: str) -> None:
        # The garbage collector of Kubernetes does not notice it where its watch begins again in between, and the
        # children of the former resource stay for ever.
        if time.monotonic() < self._world.watches_are_new:
            return
        live = self._recorder.models[name]
        await self._world.api.request("DELETE", f"{PATH}/{name}", {"propagationPolicy": "Background"})
        body = {key: live[key] for key in ("apiVersion", "kind", "spec")}
        await self._world.api.request("POST", PATH, body | {"metadata": {"name": name, "namespace": NAMESPACE}})
