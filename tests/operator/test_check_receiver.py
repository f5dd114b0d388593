"""The receiver of docs/checks.md, asked by the operator's client."""

import asyncio
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

from serin_core.api.check_status import CheckVerdict
from serin_operator.check_client import CheckClient
from serin_operator.settings import CheckEndpoint

PAGE = Path(__file__).parents[2] / "docs" / "checks.md"


def test_it_answers_wait_then_the_result_to_the_same_question():
    program = PAGE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    receiver = {"__name__": "receiver"}
    exec(compile(program, "receiver.py", "exec"), receiver)  # noqa: S102 - our own page
    quiet = type("Quiet", (receiver["Receiver"],), {"log_message": lambda *_: None})
    server = ThreadingHTTPServer(("127.0.0.1", 0), quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def ask(one):
        async def asks():
            client = CheckClient({"ci": CheckEndpoint(url=f"http://127.0.0.1:{server.server_port}/")})
            return await client.ask("ci", {"id": one, "run": {"name": "run_a"}}, seconds=5)

        return asyncio.run(asks())

    try:
        assert ask("1") == (CheckVerdict.WAIT, "tests of run_a: running")
        receiver["jobs"]["1"]["state"] = "passed"
        assert ask("1") == (CheckVerdict.PASS, "tests of run_a: passed")
        receiver["jobs"]["1"]["state"] = "failed"
        assert ask("1") == (CheckVerdict.FAIL, "tests of run_a: failed")
        assert ask("2") == (CheckVerdict.WAIT, "tests of run_a: running")
    finally:
        server.shutdown()
        server.server_close()
