"""Lines of the operator's log."""

import json
import subprocess
import sys

PROGRAM = """
import logging
from serin_operator.logs import RECONCILE_ID, configure_logs
configure_logs(as_json=True, addresses=["https://me:topsecret@prometheus"])
RECONCILE_ID.set("a1b2c3d4")
logging.getLogger("serin").warning("lost %s", "https://me:topsecret@prometheus/api", extra={"stage": 7})
"""


def test_a_line_has_the_id_of_its_reconcile_and_no_password():
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    line = json.loads(done.stderr)
    assert (line["reconcile"], line["stage"], line["level"]) == ("a1b2c3d4", 7, "warning")
    assert line["message"].startswith("lost https://")
    assert "topsecret" not in done.stderr


def test_attempts_of_kopf_are_left_out_and_errors_of_a_handler_are_not():
    program = """
import logging
from serin_operator.logs import configure_logs
configure_logs(as_json=False)
for name in ("kopf._cogs.clients.watching", "kopf.objects"):
    logging.getLogger(name).error("an error of %s", name)
logging.getLogger("kopf._core.reactor.observation").warning("not enough permissions")
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "clients.watching" not in done.stderr
    assert "an error of kopf.objects" in done.stderr
    assert "not enough permissions" in done.stderr
