"""The command line of the storm: python -m faults --help."""

import argparse
import asyncio
import logging
import sys
import tempfile
from collections import Counter
from pathlib import Path

from faults.checker import check
from faults.history import read
from faults.plan import LONG, SHORT, Plan
from faults.storm import record


def main() -> None:
    """Run a storm, and check it."""
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--models", type=int, default=3)
    parser.add_argument("--pods", type=int, default=2)
    parser.add_argument("--calm", action="store_true")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only-check", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    pauses = {} if options.calm else LONG if options.long else SHORT
    plan = Plan(options.seed, options.seconds, options.replicas, options.models, options.pods, pauses=pauses)
    if not options.only_check:
        with tempfile.TemporaryDirectory(prefix="serin-storm-", ignore_cleanup_errors=True) as folder:
            asyncio.run(record(plan, options.out, Path(folder)))
    found = check(read(options.out))
    for one in found[:60]:
        print(one)
    print(Counter(one.promise for one in found))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
