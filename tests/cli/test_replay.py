"""serin replay: recorded counts from a file or a Prometheus, and what the rollout would have done with them."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import yaml
from typer.testing import CliRunner

from serin_cli import replay
from serin_cli.replay_file import read_record
from serin_simulation.replay import RecordError

BEGAN = datetime(2026, 1, 5, 9, tzinfo=UTC)
SILENT = ("latency", "acceptedRatio", "lowConfidence", "feedback")
SPEC = {
    "runID": "run_aaaaaaaa_1",
    "server": {"token": {"secretName": "t"}},
    "canary": {"shadowSoak": "10m", "steps": [{"percent": 100, "soak": "10m"}]},
    "gates": {name: {"mode": "Off"} for name in ("latency", "acceptedRatio", "lowConfidence", "feedback")},
}
MANIFEST = {
    "apiVersion": "serin.dev/v1alpha1",
    "kind": "SuggestionModel",
    "metadata": {"name": "categories"},
    "spec": SPEC,
}
GATES = ("availability", "errors", "agreement")


def recorded(*, agreement=0.85, minutes=60):
    """Counts of each minute: a hundred requests, and how many of them agree."""
    for minute in range(minutes):
        n = 100 * minute
        for gate in GATES:
            good = round(n * agreement) if gate == "agreement" else n
            yield {"time": (BEGAN + timedelta(minutes=minute)).isoformat(), "gate": gate, "good": good, "total": n}


@pytest.fixture
def replayed(tmp_path):
    def run(text, *arguments, **spec):
        (tmp_path / "model.yaml").write_text(yaml.safe_dump(MANIFEST | {"spec": SPEC | spec}))
        (tmp_path / "counts").write_text(text)
        source = () if "--prometheus" in arguments else ("--counts", str(tmp_path / "counts"))
        command = ["-f", str(tmp_path / "model.yaml"), "--rollouts", "3", "--jobs", "1", *source, *arguments]
        return CliRunner().invoke(replay.app, command)

    return run


def lines(counts):
    return "\n".join(map(json.dumps, counts))


def test_a_good_week_would_have_promoted_the_run(replayed):
    found = replayed(lines(recorded()))
    assert found.exit_code == 0
    assert "categories: 3 rollouts on 59m of recorded counts, seed 7" in found.stdout
    assert "this resource: promoted 100.0 %" in found.stdout


def test_a_bad_week_would_have_rolled_it_back(replayed):
    found = json.loads(replayed(lines(recorded(agreement=0.6)), "-o", "json").stdout)
    assert found["rules"][0]["why"] == {"RolledBack: agreement": 3}


def test_a_csv_file_says_the_same(replayed):
    rows = list(recorded())
    csv = "\n".join(["time,gate,good,total", *(",".join(str(value) for value in row.values()) for row in rows)])
    assert replayed(csv).stdout == replayed(lines(rows)).stdout


def test_a_query_is_named_as_not_replayed(replayed):
    query = {"name": "pool", "query": "max(used)", "atMost": 1}
    found = replayed(lines(recorded()), gates=SPEC.get("gates", {}) | {"queries": [query]})
    assert "promoted 100.0 %" in found.stdout
    assert "Not simulated, taken as passed: query pool." in " ".join(found.stdout.split())


def test_where_the_record_ends_the_rollout_is_held(replayed):
    found = json.loads(replayed(lines(recorded(minutes=8)), "-o", "json").stdout)
    assert found["rules"][0]["ends"]["Held"] == 3


def test_a_record_of_every_five_minutes_has_no_gaps():
    text = lines({"time": 300 * k, "gate": "errors", "good": k, "total": k} for k in range(9))
    assert read_record(text, gap=timedelta(minutes=2), own=()).gap == timedelta(minutes=15)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it holds no counts"),
        ('{"time": 1, "gate": "errors", "good": 1}', "line 1: time, gate, good and total are required"),
        ('{"time": 1, "gate": "errors", "good": 2, "total": 1}', "errors: 2 good of 1 is not a count"),
        ('{"time": 1, "gate"', "line 1:"),
        ("time,gate,good,total\nsoon,errors,1,1", "line 2: time, gate, good and total are required"),
        ('{"time":1,"gate":"e","good":5,"total":9}\n{"time":2,"gate":"e","good":4,"total":9}', "e falls from 5 of 9"),
    ],
)
def test_a_wrong_record_is_refused_in_one_line(replayed, text, message):
    found = replayed(text)
    assert found.exit_code == 2
    assert message in found.stderr
    assert found.stderr.count("\n") == 1
    with pytest.raises(RecordError):
        read_record(text, gap=timedelta(minutes=2), own=())


@pytest.fixture
def prometheus():
    """A server that answers every range query with a given body; its queries are kept."""
    answers, queries = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            queries.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            body = json.dumps(answers["body"]).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            """Log nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", answers, queries
    server.shutdown()


def series(name, value, **labels):
    """One process' counter of a stage, a sample a minute."""
    metric = {"__name__": name, "serin_process": "p", "serin_arm": "control", **labels}
    times = [BEGAN.timestamp() + 60 * minute for minute in range(60)]
    return {"metric": metric, "values": [[at, str(value(minute))] for minute, at in enumerate(times)]}


def stage():
    return [
        series("lm_ml_predict_requests_total", lambda m: 100 * m, available="True"),
        series("lm_ml_predict_requests_total", lambda _m: 0, available="False"),
        series("serin_predict_failures_total", lambda _m: 0),
        series("serin_users_compare_total", lambda m: 85 * m, agree="True"),
        series("serin_users_compare_total", lambda m: 15 * m, agree="False"),
        series("", lambda _m: 5, serin_fresh="true"),
    ]


PAST = ("--uid", "u", "--stage", "7", "--from", "2026-01-05T09:00:00Z", "--to", "2026-01-05T10:00:00Z")


def test_a_past_stage_is_read_from_prometheus_with_the_operators_own_query(replayed, prometheus):
    address, answers, queries = prometheus
    answers["body"] = {"status": "success", "data": {"result": stage()}}
    found = replayed("", "--prometheus", address, *PAST, "-o", "json")
    assert found.exit_code == 0, found.stderr
    assert json.loads(found.stdout)["rules"][0]["ends"]["Promoted"] == 3
    assert "last_over_time" in queries[0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"status": "error", "error": "too many"}, "too many"),
        ({"status": "success", "data": {"result": []}}, "no counts of this stage"),
        ({"status": "success", "warnings": ["one store is away"], "data": {"result": []}}, "the result is incomplete"),
        ([], "not a JSON object"),
    ],
)
def test_an_incomplete_result_is_refused(replayed, prometheus, body, message):
    address, answers, _ = prometheus
    answers["body"] = body
    found = replayed("", "--prometheus", address, *PAST)
    assert (found.exit_code, found.stderr.count("\n")) == (2, 1)
    assert message in found.stderr


def test_one_source_is_named(replayed):
    assert "give one of --counts and --prometheus" in replayed("", "--prometheus", "http://x", "--counts", "y").stderr


def test_custom_counters_are_replayed_from_a_file(replayed):
    own = {"name": "orders", "good": "good_total", "total": "orders_total", "atLeast": 0.9}
    gates = SPEC["gates"] | {"custom": [own]}
    found = replayed("", "--prometheus", "http://x", *PAST, gates=gates)
    assert (found.exit_code, found.stderr) == (
        2,
        "serin: orders is a custom gate: it can be replayed from --counts only\n",
    )
    rows = [row | {"gate": "orders"} for row in recorded() if row["gate"] == "errors"]
    played = json.loads(replayed(lines([*recorded(), *rows]), "-o", "json", gates=gates).stdout)
    assert played["rules"][0]["ends"]["Promoted"] == 3
