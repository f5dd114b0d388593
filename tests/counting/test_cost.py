"""What one look costs the operator, Kubernetes aside: query, counting, judging, deciding, against a real Prometheus."""

import json
import time
from datetime import UTC, datetime

import pytest
from counting.looking import every, labels
from counting.processes import Server
from counting.test_long_stages import live
from counting.watched import Watched

LOOKS = 60


def scrapes(now):
    return every(15, since=now - 120, until=now - 15)


OWN = tuple(
    {
        "name": f"own{number}",
        "good": f'shop_orders_total{{shop="UID",code="20{number}"}}',
        "total": 'shop_orders_total{shop="UID"}',
        "atLeast": 0.01,
    }
    for number in range(5)
)
OFF = {"mode": "Off"}
BUILT_IN = dict.fromkeys(("acceptedRatio", "lowConfidence", "feedback"), OFF)
ALL_BUILT_IN = BUILT_IN | dict.fromkeys(("availability", "errors", "latency", "agreement"), OFF)


@pytest.mark.parametrize(
    ("gates", "most"),
    [
        pytest.param(BUILT_IN | {"perClass": {}}, 40, id="five built-in gates"),
        pytest.param(ALL_BUILT_IN | {"custom": OWN}, 200, id="five own gates"),
    ],
)
def test_a_look_at_which_nothing_has_changed_is_cheap_and_writes_nothing(second, uid, record_property, gates, most):
    now = time.time()
    mine = json.loads(json.dumps(gates).replace("UID", uid))
    watched = Watched(second.url, uid=uid, gates=mine, soak="1h")
    stage = watched.running.stage
    second.write(live([Server(uid, f"p{n}", stage) for n in range(3)], scrapes(now)))
    for number in range(5):
        name = labels("shop_orders_total", shop=uid, code=f"20{number}")
        second.write({name: [(at, 10.0 + number + index) for index, at in enumerate(scrapes(now))]})
    for _ in range(3):
        watched.look(seconds=0.001)
    began, watched.reading_took, written = time.process_time(), 0.0, 0
    for _ in range(LOOKS):
        watched.gather(watched.operators[0])
        watched.decide(watched.operators[0])
        written += len(watched.operators[0].pending)
        watched.now = datetime.now(UTC)
    cpu = (time.process_time() - began) * 1000 / LOOKS
    told = (
        f"{cpu:.2f} ms of CPU for one look, {watched.reading_took * 1000 / LOOKS:.2f} of them to read; {written} writes"
    )
    record_property("cost", told)
    print(told)  # noqa: T201
    totals = {gate.name: (gate.total, gate.reason) for gate in watched.known.gates}
    assert all(total for total, _ in totals.values()), totals
    assert len(totals) == 5
    assert written == 0
    watched.close()
    assert cpu < most
