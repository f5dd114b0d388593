"""Where the time of a request goes: py-spy samples a fully loaded server 500 times a second.

Each sample is assigned to the innermost frame that belongs to one of the parts below.
"""

import subprocess
from collections import Counter
from pathlib import Path

from processes import LOAD_CORE, Running, pinned
from rivals import environment

PARTS = {
    "trees (LightGBM) and their cache": ("serin_server/runs/lightgbm_predictor.py",),
    "word scores, features, probabilities": (
        "serin_server/runs/model.py",
        "serin_core/model/encoder.py",
        "serin_core/model/features.py",
    ),
    "calibration and ranking": ("serin_core/model/calibration.py",),
    "rules (keywords in the text)": ("serin_server/rule_matcher.py",),
    "event id": ("serin_server/event_ids.py", "serin_server/tokens.py", "hmac.py", "base64.py"),
    "counters": (
        "serin_server/metrics/counters.py",
        "serin_server/metrics/user_agreement.py",
        "serin_server/stores/",
    ),
    "decision (arm, thresholds, circuit breaker)": (
        "serin_server/suggester.py",
        "serin_server/decision.py",
        "serin_server/runs/predictor.py",
        "serin_server/runs/circuit_breaker.py",
        "serin_server/routing/serving_state.py",
        "serin_core/contract/routing.py",
        "serin_core/contract/documents.py",
        "serin_server/clock.py",
    ),
    "JSON, token, route": (
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


def sample(server: Running, bench: Path, scratch: Path, *, seconds: int) -> "subprocess.Popen[bytes]":
    """Start to sample; `parts` reads the samples."""
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
    """Return the share of samples by part, the largest first."""
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
