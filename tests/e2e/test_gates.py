"""Each gate rolls back a run that is bad in what it counts, and in nothing else.

The counts are those of one more process of the run: the counters and the exposition of the server, without traffic.
"""

import secrets

import pytest
from e2e.conftest import Rollout, canary

from serin_server.metrics.counters import Agree, Arm, Counters, Fallback, Outcome, StageKey
from serin_server.metrics.exposition import Exposition, Identity, Scrape

pytestmark = pytest.mark.cluster

N = 4000
"""Requests in each arm: enough for every gate to pass or fail at once."""
FAST, SLOW = 3, 12
"""Places of the buckets up to 0.001 s or less, and above 0.1 s."""
CLASSES = ("Dining", "Fuel")
OWN = "shop_orders_total"
SHADOW = ("availability", "errors", "latency", "agreement", "perClass")
CANARY = ("acceptedRatio", "lowConfidence", "feedback", "fallback")
DISPUTES = {
    "name": "disputes",
    "good": f'{OWN}{{group="canary",code="200"}}',
    "total": f'{OWN}{{group="canary"}}',
    "control": {"good": f'{OWN}{{group="control",code="200"}}', "total": f'{OWN}{{group="control"}}'},
}


def split(share):
    """Return how many of N are good, and how many are not."""
    return round(N * share), N - round(N * share)


def fill(counts, *, bad, is_canary):
    """Count N requests of a good run, but for what one gate counts."""
    available = {"availability": 0.7, "fallback": 0.92}.get(bad, 1.0)
    counts.requests[True], counts.requests[False] = split(available)
    counts.failures = N // 12 if bad == "errors" else 0
    counts.latency[FAST], counts.latency[SLOW] = split(0.8 if bad == "latency" else 1.0)
    counts.users[Agree.TRUE], counts.users[Agree.FALSE] = split(0.4 if bad == "agreement" else 0.95)
    for label in CLASSES:
        share = 0.2 if bad == "perClass" and label == "Fuel" else 0.95
        counts.classes[label, Agree.TRUE], counts.classes[label, Agree.FALSE] = split(share)
    counts.low_confidence["Fuel"] = N * 6 // 10 if bad == "lowConfidence" else N // 100
    if not is_canary:
        counts.feedback[Outcome.ACCEPTED], counts.feedback[Outcome.REJECTED] = split(0.95)
        return
    counts.confident[True], counts.confident[False] = split(0.7 if bad == "acceptedRatio" else 1.0)
    counts.fallback[Fallback.UNAVAILABLE] = counts.requests[False]
    counts.predictions[False] = counts.requests[False]
    counts.predictions[True] = counts.requests[True]
    share = 0.6 if bad == "feedback" else 0.95
    counts.feedback[Outcome.ACCEPTED], counts.feedback[Outcome.REJECTED] = split(share)


def exposed(live, *, bad=""):
    """Return the metrics of a process that has served the current stage of this resource."""
    candidate, counters = live["status"]["candidate"], Counters()
    stage = counters.begin_stage(StageKey(candidate["runID"], candidate["stage"]), CLASSES)
    fill(stage.arms[Arm.CONTROL], bad=bad if candidate["percent"] == 0 else "", is_canary=False)
    if candidate["percent"]:
        fill(stage.arms[Arm.CANARY], bad=bad, is_canary=True)
    meta = live["metadata"]
    identity = Identity(f"{meta['namespace']}/{meta['name']}", meta["uid"], "beside", secrets.token_hex(4))
    scrape = Scrape(identity, counters.stages(), revision=candidate["stage"], refused={}, runs=())
    return Exposition().learn(scrape).decode()


class Shop:
    """Counters of the user's own service, by group. They were there before the first stage, and only grow."""

    def __init__(self):
        self.values = {(group, code): 1000 for group in ("canary", "control") for code in ("200", "500")}

    def sell(self, *, bad=False):
        for group in ("canary", "control"):
            good, wrong = split(0.7 if bad and group == "canary" else 0.97)
            self.values[group, "200"] += good
            self.values[group, "500"] += wrong

    @property
    def text(self):
        lines = [f'{OWN}{{group="{group}",code="{code}"}} {n}' for (group, code), n in self.values.items()]
        return "\n".join([f"# TYPE {OWN} counter", *lines, ""])


class Trials:
    """One resource whose run is tried again for each gate, and the process beside it that makes the counts."""

    def __init__(self, rollout, file):
        self.rollout, self.file, self.shop = rollout, file, Shop()
        self.stage = -1

    def publish(self, text=""):
        text += self.shop.text
        self.file.with_suffix(".new").write_text(text, encoding="utf-8")
        self.file.with_suffix(".new").rename(self.file)

    def begin(self, run, gates):
        """Start a rollout in which every gate acts."""
        status = self.rollout.status if self.stage >= 0 else {}
        self.rollout.apply(
            run,
            gates={"perClass": {}, "fallback": {}} | gates,
            canary=canary("1s", 10, 100),
            server={"replicas": 1, "token": {"secretName": "tokens"}, "rules": {"configMapName": "rules"}},
        )
        if status:
            self.rollout.serin("retry")
        self.reach(0)

    def reach(self, percent):
        """Wait for the next stage, with this share of users."""

        def holds(status):
            candidate = status.get("candidate") or {}
            return (
                candidate.get("percent") == percent
                and "stageStartedAt" in candidate
                and candidate["stage"] > self.stage
                and candidate["state"] == "Running"
            )

        self.stage = self.rollout.wait(holds, seconds=90, what=f"a stage at {percent} %")["candidate"]["stage"]

    def counts(self, *, bad=""):
        live = self.rollout.get()
        return exposed(live | {"status": self.rollout.status}, bad=bad)


@pytest.fixture(scope="module")
def trials(installed, cluster, registry, tmp_path_factory):
    if not cluster.is_local:
        pytest.skip("the process beside the servers runs on the simulated node")
    rollout = Rollout(installed, cluster, f"test-{secrets.token_hex(4)}")
    rollout.prepare(registry)
    made = Trials(rollout, tmp_path_factory.mktemp("metrics") / "metrics.prom")
    made.publish()
    environment = [
        {"name": "METRICS_FILE", "value": str(made.file)},
        {"name": "METRICS_PORT", "value": "9100"},
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]
    annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": "9100", "prometheus.io/path": "/metrics"}
    installed.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "beside", "namespace": rollout.namespace, "annotations": annotations},
            "spec": {"containers": [{"name": "exporter", "image": "exporter:1", "env": environment}]},
        }
    )
    yield made
    rollout.close()


def rolled_back_by(trials, gate, percent):
    """Check that exactly this gate has failed, that it decided, and that it is named."""
    status = trials.rollout.wait_for_phase("RolledBack", seconds=60)
    last = status["history"][-1]
    assert [one["name"] for one in status["gates"] if one["verdict"] == "Fail"] == [gate]
    assert last["event"] == "GateFailed"
    assert f"from {percent} %" in last["message"] or percent == 0
    assert gate in last["message"]
    assert "GateFailed" in trials.rollout.events()


@pytest.mark.parametrize("gate", SHADOW)
def test_a_run_that_is_bad_in_what_one_gate_counts_is_rolled_back_by_it_in_the_shadow(trials, registry, gate):
    trials.begin(registry.good, {})
    trials.publish(trials.counts(bad=gate))
    rolled_back_by(trials, gate, 0)


@pytest.mark.parametrize("gate", CANARY)
def test_a_run_that_is_bad_for_users_in_what_one_gate_counts_is_rolled_back_by_it(trials, registry, gate):
    trials.begin(registry.good, {})
    trials.publish(trials.counts())
    trials.reach(10)
    trials.publish(trials.counts(bad=gate))
    rolled_back_by(trials, gate, 10)


def test_a_run_that_is_bad_for_the_users_own_service_is_rolled_back_by_the_comparison_with_the_control_group(
    trials, registry
):
    trials.begin(registry.good, {"custom": [DISPUTES]})
    trials.publish(trials.counts())
    trials.reach(10)
    counts = trials.counts()
    trials.shop.sell(bad=True)
    trials.publish(counts)
    rolled_back_by(trials, "disputes", 10)


def test_with_every_gate_acting_a_good_run_is_promoted(trials, registry):
    trials.begin(registry.good, {"custom": [DISPUTES | {"stages": [10]}]})
    for percent in (0, 10, 100):
        if percent:
            trials.reach(percent)
        counts = trials.counts()
        trials.shop.sell()
        trials.publish(counts)
    status = trials.rollout.wait_for_phase("Promoted", seconds=60)
    assert status["stable"]["runID"] == registry.good
