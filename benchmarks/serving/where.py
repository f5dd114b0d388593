"""Where a request's time goes: py-spy looks 500 times a second at a server that is loaded as far as it goes.

Each look is put under the innermost frame that belongs to one of the parts below. Never changes what it looks at.
"""

import subprocess
from collections import Counter
from pathlib import Path

from processes import LOAD_CORE, Running, pinned
from rivals import environment

PARTS = {
    "the trees (LightGBM, by ctypes) and their memory": ("serin_server/runs/lightgbm_predictor.py",),
    "scores of the words, features, probabilities": (
        "serin_server/runs/model.py",
        "serin_core/model/encoder.py",
        "serin_core/model/features.py",
        "serin_core/normalising.py",
        "serin_core/words.py",
    ),
    "calibration and ranking": ("serin_core/model/calibration.py",),
    "rules (keywords in the text)": ("serin_server/rule_matcher.py",),
    "event token": ("serin_server/event_ids.py", "serin_server/tokens.py", "hmac.py", "base64.py"),
    "counting, users included": (
        "serin_server/metrics/counters.py",
        "serin_server/metrics/user_agreement.py",
        "serin_server/stores/",
    ),
    "deciding (arm, thresholds, breaker, order of answers)": (
        "serin_server/suggester.py",
        "serin_server/decision.py",
        "serin_server/runs/predictor.py",
        "serin_server/runs/circuit_breaker.py",
        "serin_server/routing/serving_state.py",
        "serin_core/contract/routing.py",
        "serin_core/contract/documents.py",
        "serin_server/clock.py",
    ),
    "reading and writing JSON, token, route": (
        "serin_server/http/fast_path/application.py",
        "serin_server/http/responses.py",
        "auth.py",
    ),
    "HTTP (uvicorn, httptools, the event loop)": (
        "uvicorn/",
        "asyncio/",
        "serin_server/http/",
        "starlette/",
        "fastapi/",
    ),
}


def look(server: Running, bench: Path, scratch: Path, *, seconds: int) -> "subprocess.Popen[bytes]":
    """Begin to look; `parts` reads what was seen."""
    python = environment(bench, "profile")
    argv = [str(python.with_name("py-spy")), "record", "--format", "raw", "--rate", "500", "--full-filenames"]
    argv += [
        "--nonblocking",
        "--duration",
        str(seconds),
        "--output",
        str(scratch / "stacks"),
        "--pid",
        str(server.pids[0]),
    ]
    return subprocess.Popen(
        argv,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=pinned(LOAD_CORE),  # noqa: PLW1509 - no thread of ours holds a lock here
    )


def parts(scratch: Path) -> dict[str, float]:
    """Answer the share of looks by part, the largest first."""
    seen: Counter[str] = Counter()
    for line in (scratch / "stacks").read_text().splitlines():
        stack, _, times = line.rpartition(" ")
        frames = stack.split(";")
        if any("threading.py" in frame for frame in frames):
            continue
        seen[_part(frames)] += int(times)
    total = sum(seen.values())
    return {part: times / total for part, times in seen.most_common()} if total else {}


def _part(frames: list[str]) -> str:
    for frame in reversed(frames):
        for part, places in PARTS.items():
            if any(place in frame for place in places):
                return part
    return "anything else"
