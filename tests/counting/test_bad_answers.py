"""Whatever a Prometheus answers that is no plain count has a reason of its own, and moves nothing either way.

Each answer is put through the operator's client, Gatherer and decide, over counts that would else raise the share and
over counts that would else take the run back.
"""

import json
import math
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from counting.processes import Server
from counting.watched import Watched

from serin_core.api.status import CandidateState
from serin_core.counting.stage_query import FRESH, NOW
from serin_core.evidence.counts import Verdict
from serin_server.metrics.counters import Agree, Arm, Outcome

OWN = {"name": "orders", "good": 'shop_orders_total{code="200"}', "total": "shop_orders_total", "atLeast": 0.9}


class Scripted:
    """Responds as Prometheus would, from a script. `spoil` changes a response before it is sent."""

    def __init__(self):
        self.stage, self.is_good, self.uid = 0, True, ""
        self.only_bad = ""
        self.origin = int(time.time()) // 5 - 1000
        self.spoil, self.spoil_samples, self.raw = (lambda found: found), (lambda found: found), None

    def answer(self, query):
        if self.raw is not None:
            return self.raw
        if "shop_orders_total" in query:
            found, kind = self.spoil_samples(self._samples(query)), "matrix"
        else:
            found, kind = self.spoil(self._vector()), "vector"
        return 200, success(found, kind)

    def _vector(self):
        server = Server(self.uid, "p", self.stage)
        for arm, counts in server.now.arms.items():
            is_good = self.is_good or arm is Arm.CONTROL
            counts.requests[True] = 5000
            counts.failures = 0 if is_good and self.only_bad != "errors" else 2500
            counts.latency[5 if is_good and self.only_bad != "latency" else 13] = 5000
            counts.users[Agree.TRUE if is_good else Agree.FALSE] = 5000
            counts.confident[is_good] = 5000
            counts.feedback[Outcome.ACCEPTED if is_good else Outcome.REJECTED] = 500
        marks = [({FRESH: "true"}, 9.0), ({NOW: "true"}, time.time())]
        series = [(dict(labels), value) for labels, value in server.series().items() if dict(labels).get("serin_stage")]
        mine = [(labels, value) for labels, value in series if labels["serin_stage"] == str(self.stage)]
        return [{"metric": labels, "value": [time.time(), number(value)]} for labels, value in (*mine, *marks)]

    def _samples(self, query):
        codes = {"200": 4.0 if self.is_good else 0.0, "500": 0.0 if self.is_good else 4.0}
        wanted = ["200"] if 'code="200"' in query else list(codes)
        scrape = int(time.time() - 11) // 5
        return [
            {
                "metric": {"__name__": "shop_orders_total", "code": code},
                "values": [
                    [5.0 * one, number(codes[code] * (one - self.origin))] for one in range(scrape - 20, scrape)
                ],
            }
            for code in wanted
        ]


def number(value):
    if math.isnan(value):
        return "NaN"
    return repr(value) if math.isfinite(value) else f"{value:+}".replace("inf", "Inf")


def success(found, kind="vector", **more):
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": found}} | more).encode()


@pytest.fixture(scope="module")
def scripted():
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            query = urllib.parse.parse_qs(form)["query"][0]
            status, body = script.answer(query)
            length = len(body)
            if status == 206:
                status, body = 200, body[: length // 2]
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    script.url = f"http://127.0.0.1:{server.server_port}"
    yield script
    server.shutdown()
    server.server_close()


@pytest.fixture(params=[True, False], ids=["over good counts", "over bad counts"])
def watched(request, scripted, uid):
    made = Watched(scripted.url, uid=uid, gates={"custom": [OWN]})
    scripted.__init__()
    scripted.uid, scripted.stage, scripted.is_good = uid, made.running.stage, request.param
    yield made
    made.close()


def assert_unmoved(watched, *, gates, reason):
    before = (watched.running.stage, watched.known.history)
    for _ in range(3):
        decision = watched.look()
        assert watched.running.state is CandidateState.RUNNING
        assert watched.running.percent == 10
        assert (watched.running.stage, watched.known.history) == before
        found = {gate.name: gate for gate in decision.status.gates}
        assert {found[name].reason for name in gates if name in found} <= {reason}
        assert all(found[name].verdict is Verdict.INCONCLUSIVE for name in gates if name in found)


def test_what_is_spoilt_below_would_else_move_the_rollout(watched, scripted):
    watched.look()
    assert watched.known.history[-1].event == ("StepAdvanced" if scripted.is_good else "GateFailed")


ALL = ("availability", "errors", "latency", "agreement", "acceptedRatio", "feedback", "orders")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param((200, b"<html>log in</html>"), "QueryError", id="HTML"),
        pytest.param((502, b"<html>bad gateway</html>"), "Unreachable", id="an error page"),
        pytest.param((200, b""), "QueryError", id="nothing"),
        pytest.param((200, b'{"status":"error","error":"busy"}'), "QueryError", id="200 with an error"),
        pytest.param((422, b'{"status":"error","error":"too many samples"}'), "QueryError", id="a refusal"),
        pytest.param((503, b'{"status":"error","error":"timed out"}'), "QueryError", id="a timeout of its own"),
        pytest.param((200, b'{"status":"success","data":{"resu'), "QueryError", id="half a JSON"),
        pytest.param((206, success([])), "Unreachable", id="half of what was announced"),
        pytest.param((200, b"[" * 50_000), "QueryError", id="too deep a JSON"),
        pytest.param((200, b"null"), "QueryError", id="null"),
        pytest.param((200, success([], "scalar")), "QueryError", id="a scalar"),
        pytest.param((200, success(None)), "QueryError", id="no result"),
        pytest.param((200, success([], warnings=["a store is away"])), "QueryError", id="a partial answer"),
        pytest.param((200, success([])), "QueryError", id="an empty answer, without the time"),
    ],
)
def test_an_answer_that_is_no_plain_data_moves_nothing(watched, scripted, raw, reason):
    scripted.raw = raw
    assert_unmoved(watched, gates=ALL, reason=reason)


def one_is(value, name="lm_ml_predict_requests_total"):
    def spoil(found):
        mine = next(one for one in found if one["metric"].get("__name__") == name)
        mine["value"][1] = value
        return found

    return spoil


def without(**labels):
    return lambda found: [one for one in found if not labels.items() <= one["metric"].items()]


def renamed(old, new):
    def spoil(found):
        for one in found:
            if one["metric"].get("__name__") == old:
                one["metric"]["__name__"] = new
        return found

    return spoil


@pytest.mark.parametrize(
    ("spoil", "gates", "reason"),
    [
        *(
            pytest.param(one_is(value), ALL, "QueryError", id=value)
            for value in ("NaN", "+Inf", "-Inf", "-1", "0.5", "1e400")
        ),
        pytest.param(one_is("many"), ALL, "QueryError", id="a word"),
        pytest.param(one_is(None), ALL, "QueryError", id="null for a number"),
        pytest.param(without(**{NOW: "true"}), ALL, "QueryError", id="no time"),
        pytest.param(one_is("9999999", "serin_predict_failures_total"), ("errors",), "QueryError", id="s > n"),
        pytest.param(without(le="0.1"), ("latency",), "BucketMissing", id="no bucket"),
        pytest.param(
            renamed("serin_predict_failures_total", "failures"), ("errors",), "SeriesMissing", id="a metric renamed"
        ),
    ],
)
def test_a_value_that_is_no_count_moves_nothing(watched, scripted, spoil, gates, reason):
    if gates != ALL and not scripted.is_good:
        # The other gates would have reason to take the run back.
        scripted.is_good, scripted.only_bad = True, gates[0]
    scripted.spoil = spoil
    assert_unmoved(watched, gates=gates, reason=reason)


def test_old_samples_alone_move_nothing(watched, scripted):
    """The stage is older than a sample may be, and Prometheus has none that is newer."""
    candidate = watched.running
    began = candidate.stage_started_at.replace(year=candidate.stage_started_at.year - 1)
    watched.status = watched.known.model_copy(
        update={"candidate": candidate.model_copy(update={"stage_started_at": began})}
    )
    scripted.spoil = without(**{FRESH: "true"})
    assert_unmoved(watched, gates=ALL, reason="Stale")


def samples(change):
    def spoil(found):
        for one in found:
            one["values"] = change(one["values"])
        return found

    return spoil


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        *(
            pytest.param(
                samples(lambda values, value=value: [*values[:-1], [values[-1][0], value]]), "QueryError", id=value
            )
            for value in ("NaN", "+Inf", "-1", "0.5")
        ),
        pytest.param(
            samples(lambda values: [*values[:-1], [time.time() + 300, "9999"]]), "FutureSamples", id="in the future"
        ),
        pytest.param(samples(lambda _values: []), "NothingMatches", id="no samples"),
        pytest.param(lambda found: [], "NothingMatches", id="no series"),
        pytest.param(
            samples(lambda values: [[at - 600, value] for at, value in values]), "Stale", id="ten minutes old"
        ),
        pytest.param(
            samples(lambda values: [[at, str(100 - index)] for index, (at, _) in enumerate(values)]),
            "NotACounter",
            id="a gauge",
        ),
        pytest.param(
            lambda found: [
                {"metric": one["metric"] | {"instance": str(number)}, "values": one["values"]}
                for one in found
                for number in range(501)
            ],
            "TooManySeries",
            id="too many series",
        ),
        pytest.param(lambda _: [{"metric": {}, "values": [["now", "1"]]}], "QueryError", id="a word for a time"),
        pytest.param(lambda _: [{"metric": {}, "histograms": []}], "QueryError", id="a native histogram"),
    ],
)
def test_samples_of_an_own_counter_that_are_no_counts_move_nothing(watched, scripted, spoil, reason):
    scripted.spoil_samples = spoil
    if not scripted.is_good:
        # Only the own gate has reason to take the run back.
        is_good_else(scripted)
    assert_unmoved(watched, gates=("orders",), reason=reason)


def is_good_else(scripted):
    scripted.is_good = True
    real = scripted._samples

    def bad(query):
        scripted.is_good = False
        try:
            return real(query)
        finally:
            scripted.is_good = True

    scripted._samples = bad
