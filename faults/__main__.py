"""The command line of the storm: python -m faults --help."""

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

from faults import operators
from faults.checker import check
from faults.history import read
from faults.mutants import run_mutant, run_mutants
from faults.page import write_page
from faults.plan import LONG, SHORT, Plan
from faults.report import save, summary_of
from faults.storm import record
from faults.suite import run_suite

SHOWN = 40


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    storm = commands.add_parser("storm", help="run one storm and check it")
    storm.add_argument("--seed", type=int, default=1)
    storm.add_argument("--seconds", type=float, default=60, help="time in which faults happen (%(default)s)")
    storm.add_argument("--replicas", type=int, default=2, help="operators (%(default)s)")
    storm.add_argument("--models", type=int, default=3, help="SuggestionModels (%(default)s)")
    storm.add_argument("--pods", type=int, default=2, help="server pods of each (%(default)s)")
    storm.add_argument("--rate", type=int, default=80, help="transactions a second and pod (%(default)s)")
    storm.add_argument("--all-act", action="store_true", help="operators without leader election")
    storm.add_argument("--pause", nargs=2, action="append", metavar=("KIND", "SECONDS"), help="instead of all kinds")
    storm.add_argument("--long", action="store_true", help="the kinds and pauses of the long form")
    storm.add_argument("--history", type=Path, help="keep the history in this file (.jsonl or .jsonl.gz)")
    storm.add_argument("--results", type=Path, help="keep the figures in this folder, for docs/reliability.md")
    storm.set_defaults(run=_storm)
    checking = commands.add_parser("check", help="check a recorded history")
    checking.add_argument("history", type=Path)
    checking.add_argument("--results", type=Path, help="keep the figures in this folder, for docs/reliability.md")
    checking.set_defaults(run=lambda options: _check(options.history, options.results))
    suite = commands.add_parser("suite", help="run storm after storm, and write docs/reliability.md")
    suite.add_argument("--minutes", type=float, default=110, help="stop after this time (%(default)s)")
    suite.add_argument("--seed", type=int, default=1, help="seed of the first storm (%(default)s)")
    suite.add_argument("--results", type=Path, default=Path(".bench/faults"), help="folder of results (%(default)s)")
    suite.set_defaults(run=lambda options: run_suite(options.results, seed=options.seed, minutes=options.minutes))
    mutants = commands.add_parser("mutants", help="run storms on the product with errors built in")
    mutants.add_argument("--only", metavar="NAME", help="run one of them")
    mutants.set_defaults(run=lambda options: run_mutant(options.only) if options.only else run_mutants())
    report = commands.add_parser("report", help="write docs/reliability.md from the results of suites")
    report.add_argument("--results", type=Path, default=Path(".bench/faults"))
    report.set_defaults(run=lambda options: write_page(options.results))
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    # What is broken on purpose is in the history.
    for quiet in ("serin_server", "aiohttp.server"):
        logging.getLogger(quiet).setLevel(logging.CRITICAL)
    sys.exit(options.run(options))


def _storm(options: argparse.Namespace) -> int:
    pauses = {kind: float(seconds) for kind, seconds in options.pause or ()} or (LONG if options.long else SHORT)
    plan = Plan(
        seed=options.seed,
        seconds=options.seconds,
        replicas=options.replicas,
        models=options.models,
        pods=options.pods,
        rate=options.rate,
        elects=not options.all_act,
        pauses=pauses,
    )
    with tempfile.TemporaryDirectory(prefix="serin-storm-", ignore_cleanup_errors=True) as folder:
        file = options.history or Path(folder) / "history.jsonl"
        asyncio.run(record(plan, file, Path(folder), entry=operators.ENTRY))
        return _check(file, options.results)


def _check(file: Path, results: Path | None) -> int:
    found = check(read(file))
    for one in found[:SHOWN]:
        print(one)
    summary = summary_of(file, found)
    print(summary.text())
    if results is not None:
        save(summary, results)
    print(f"{len(found)} violations")
    return int(bool(found))


if __name__ == "__main__":
    main()
