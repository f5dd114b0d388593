"""Send the transactions of a CSV file to a server, again and again, until Ctrl-C.

python traffic.py transactions.csv http://127.0.0.1:8080 TOKEN
"""

import csv
import json
import sys
import time
import urllib.request
from pathlib import Path

FIELDS = ("txn_id", "user_id", "merchant", "description")
BATCH, PAUSE = 50, 0.5  # about 100 transactions a second


def send(address: str, token: str, transactions: list[dict[str, str]]) -> list[dict[str, object]]:
    """Return the suggestions for the transactions. Raises OSError if the server does not answer with 200."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = json.dumps({"transactions": transactions}).encode()
    request = urllib.request.Request(f"{address}/agent/suggestions", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return list(json.load(response)["items"])


def main(path: str, address: str, token: str) -> None:
    """Send all rows in batches, without their category, and print how many had a suggestion by whom."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = [{name: row[name] for name in FIELDS} for row in csv.DictReader(file)]
    while True:
        counts: dict[object, int] = {}
        for start in range(0, len(rows), BATCH):
            try:
                for item in send(address, token, rows[start : start + BATCH]):
                    counts[item["source"]] = counts.get(item["source"], 0) + 1
            except OSError as error:
                print(f"{address}: {error}; trying again", file=sys.stderr)
                time.sleep(2)
            time.sleep(PAUSE)
        print(counts, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
