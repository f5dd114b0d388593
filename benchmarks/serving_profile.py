"""Cost of a decision, cache hits, and savings of a batch: CPU time, no network.

python benchmarks/serving_profile.py --registry REGISTRY --rules rules.yaml --data transactions.csv
"""

import argparse
import asyncio
import csv
import gc
import gzip
import io
import json
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from serin_core.model.features import Transaction
from serin_server.clock import SystemClock
from serin_server.environment import standalone_mode
from serin_server.http.app import create_app
from serin_server.service import build_service
from serin_server.settings import NoStoreSettings, Settings
from serin_server.suggester import ShadowBudget

TOKEN = "token-of-the-benchmark"  # noqa: S105 - only for the benchmark
MOST_ROWS = 20_000
PAIRS = 25
FIELDS = ("txn_id", "user_id", "timestamp", "merchant", "description", "channel")


def read(path: Path) -> list[dict[str, str]]:
    """Return the latest rows in the order of time."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = sorted(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))), key=lambda row: row["timestamp"])
    return rows[-MOST_ROWS:]


def transaction(row: dict[str, str]) -> Transaction:
    """Return a row as a transaction."""
    return Transaction(
        txn_id=row["txn_id"],
        merchant=row["merchant"],
        description=row["description"],
        amount=float(row["amount"]),
        channel=row["channel"],
        user_id=row["user_id"],
        timestamp=datetime.fromisoformat(row["timestamp"]),
    )


def build(registry: str, rules: Path, tokens: Path):
    """Return a service like `serin serve`: half of the users in the canary, compared with the rules."""
    (tokens / "token").write_text(TOKEN)
    environment = {"SUGGEST_ENABLE_SHADOW": "true", "SUGGEST_USE_MODEL_CANARY": "50%"}
    settings = Settings(
        host="127.0.0.1",
        port=0,
        model="local/benchmark",
        uid="local",
        pod="benchmark",
        mode=standalone_mode(environment, registry=registry),
        store=NoStoreSettings(),
        rules_file=rules,
        tokens_dir=tokens,
        allow_anonymous=False,
        grace_seconds=1,
    )
    return build_service(settings, clock=SystemClock())


def decisions(service, transactions: list[Transaction], serving=None) -> float:
    """Return the average microseconds of CPU of one decision, by the present routing or another."""
    serving, suggest = serving or service.switch.current, service.suggester.suggest
    begun = time.thread_time_ns()
    for one in transactions:
        suggest(one, serving, ShadowBudget())
    return (time.thread_time_ns() - begun) / len(transactions) / 1000


def cost_of_counting(service, transactions: list[Transaction], *, is_new: bool) -> float:
    """Return the CPU of a decision whose inputs are counted, of one without: the median of pairs, in turn."""
    counted = service.switch.current
    runs = {"candidate": counted.candidate, "stable": counted.stable}
    uncounted = replace(counted, **{name: run and replace(run, inputs=None) for name, run in runs.items()})
    found = []
    for pair in range(PAIRS):
        spent = {}
        for serving in (counted, uncounted) if pair % 2 else (uncounted, counted):
            if is_new:
                forget(service)
            spent[serving is counted] = decisions(service, transactions, serving)
        found.append(spent[True] / spent[False])
    return median(found)


def forget(service) -> None:
    """Empty the caches, as for transactions that were never seen."""
    (loaded,) = service.runs.loaded().values()
    texts, trees = loaded.predictor._texts, loaded.predictor._trees  # noqa: SLF001 - the caches are emptied
    caches = texts._computed._merchant_scores, texts._merchant, texts._described, texts._words, trees._cached  # noqa: SLF001
    for cache in (*caches, texts.is_known, service.suggester._rules._cached):  # noqa: SLF001
        cache.cache_clear()


async def requests(service, rows: list[dict[str, str]], *, items: int) -> float:
    """Return the microseconds of CPU per transaction of an ASGI call with `items` transactions."""
    app = create_app(service)
    sent = [{**{name: row[name] for name in FIELDS}, "amount": float(row["amount"])} for row in rows]
    bodies = [
        json.dumps({"transactions": sent[at : at + items]}).encode() for at in range(0, len(sent) - items + 1, items)
    ]
    headers = [
        (b"host", b"localhost"),
        (b"authorization", b"Bearer " + TOKEN.encode()),
        (b"content-type", b"application/json"),
    ]

    async def send(message) -> None:
        if message["type"] == "http.response.start" and message["status"] != 200:
            raise SystemExit(f"status {message['status']}")

    begun = time.thread_time_ns()
    for body in bodies:
        scope = {"type": "http", "method": "POST", "path": "/agent/suggestions", "headers": headers}
        message = {"type": "http.request", "body": body, "more_body": False}

        async def receive(message=message):
            return message

        await app(scope, receive, send)
    return (time.thread_time_ns() - begun) / len(bodies) / items / 1000


def remembered(service) -> None:
    """Print the hits of each cache."""
    (loaded,) = service.runs.loaded().values()
    predictor = loaded.predictor
    memories = {
        "rules": service.suggester._rules._cached,  # noqa: SLF001 - the caches are measured
        "merchants": predictor._texts._computed._merchant_scores,  # noqa: SLF001
        "with descriptions": predictor._texts._described,  # noqa: SLF001
        "rows of the trees": predictor._trees._cached,  # noqa: SLF001
    }
    for name, memory in memories.items():
        info = memory.cache_info()
        asked = info.hits + info.misses
        print(f"cache hits, {name}: {info.hits / max(1, asked):.0%} of {asked}")


async def measure(arguments: argparse.Namespace) -> None:
    """Print all results."""
    rows = read(arguments.data)
    transactions = [transaction(row) for row in rows]
    with TemporaryDirectory() as tokens:
        service = build(arguments.registry, arguments.rules, Path(tokens))
        async with service.running():
            await service.watcher.check()
            await service.runs.load()
            await service.watcher.check()
            gc.collect()
            gc.freeze()
            print(f"decision, {len(rows)} rows in the order of time: {decisions(service, transactions):.1f} us")
            remembered(service)
            some, their_rows = transactions[-3000:], rows[-3000:]
            decisions(service, some)
            again = min(decisions(service, some) for _ in range(5))
            print(f"decision, 3,000 rows again: {again:.1f} us")
            for name, is_new in (("new", True), ("seen before", False)):
                ratio = cost_of_counting(service, some, is_new=is_new)
                print(f"decision that counts inputs, of one that does not, {name}: {ratio:.3f}")
            for items in (1, 16, 64, 256):
                cost = min([await requests(service, their_rows, items=items) for _ in range(5)])
                print(f"ASGI call, {items} in a request: {cost:.1f} us a transaction")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--rules", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
