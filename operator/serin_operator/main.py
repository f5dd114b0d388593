"""The operator's process: reads its configuration, starts the parts and shuts them down."""

import argparse
import asyncio
import contextlib
import gc
import logging
import math
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from kubernetes.aio.config import ConfigException

from serin_core.contract import names
from serin_core.kubernetes.label_selector import LabelSelector
from serin_operator.background import keep_running
from serin_operator.changes import Changes
from serin_operator.check import find_problem
from serin_operator.heartbeat import Heartbeat
from serin_operator.interfaces import ClusterError
from serin_operator.known_objects import KnownObjects
from serin_operator.known_resources import KnownResources
from serin_operator.kubernetes_client import KubernetesClient
from serin_operator.leader import Surroundings, lead
from serin_operator.leadership.election import Election
from serin_operator.leadership.elector import AlwaysLeading, Elector
from serin_operator.leadership.terms import Terms
from serin_operator.logs import configure_logs
from serin_operator.metrics import OperatorMetrics, serve
from serin_operator.own_pod import own_identity, own_namespace
from serin_operator.settings import Settings, SettingsError
from serin_operator.steady_clock import SteadyClock, machine_clock
from serin_operator.watch import cancel_on_signals, watch
from serin_operator.watched_objects import WatchedObjects
from serin_tls.certificate import Certificate, CertificateError

log = logging.getLogger("serin_operator")
MATCHES_WITHIN: Final = 30.0
"""Seconds until a selector without any match is worth a line in the log."""
_COLLECTED_AFTER: Final = (10_000, 20, 20)
"""Allocations until a collection of the youngest objects, and collections of each age until one of the next."""
DEFAULT_CONFIG: Final = Path("/etc/serin/operator/config.yaml")


def main() -> None:
    """Run until SIGTERM (exit status 0) or a failure (1), or only check. Exit with status 2 for a bad configuration."""
    parser = argparse.ArgumentParser(prog="serin-operator", description="The Serin operator.")
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="configuration file (%(default)s)")
    parser.add_argument(
        "--check",
        metavar="NAMESPACE/DEPLOYMENT",
        help="check whether these operators are ready and SuggestionModels are served, and end",
    )
    arguments = parser.parse_args()
    if arguments.check:
        sys.exit(asyncio.run(find_problem(arguments.check)) or None)
    try:
        settings = Settings.load(arguments.config)
    except SettingsError as error:
        print(f"serin-operator: {error}", file=sys.stderr)  # noqa: T201 - the log is not set up yet
        sys.exit(2)
    configure_logs(as_json=settings.json_logs, addresses=settings.addresses())
    collect_garbage_seldom()
    try:
        asyncio.run(run(settings))
    except (asyncio.CancelledError, KeyboardInterrupt):
        return
    except ClusterError as error:
        sys.exit(f"serin-operator: {error}")
    except CertificateError as error:
        print(f"serin-operator: {arguments.config}: tlsDir: {error}", file=sys.stderr)  # noqa: T201 - as above
        sys.exit(2)


def collect_garbage_seldom() -> None:
    """Leave what the modules have made out of every garbage collection, and begin one after more allocations.

    Nearly everything that a check makes is freed by its reference count: a collection after each 700 allocations finds
    next to nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AFTER)


async def run(settings: Settings) -> None:
    """Start the parts, and work whenever this operator leads, until cancelled.

    Raises ClusterError without a way to the API server, CertificateError if `tls_dir` has no certificate.
    """
    certificate = None if settings.tls_dir is None else Certificate(settings.tls_dir)
    process = asyncio.current_task()
    cancel_on_signals(process)
    known = KnownResources(LabelSelector.parse(settings.selector))
    async with contextlib.AsyncExitStack() as stack:
        election, clock = _election(settings), SteadyClock()
        cluster = await KubernetesClient.connect(_seconds_to_write(election), follow_date=clock.follow_date)
        stack.push_async_callback(cluster.close)
        elector = AlwaysLeading() if election is None else Elector(cluster, election)
        metrics = OperatorMetrics(known.depth, elector.is_leader, known.count)
        metrics.checks.expose(settings.checks)
        heartbeat = Heartbeat(cluster, settings.namespaces, clock=time.monotonic)
        changes = Changes(known, KnownObjects(WatchedObjects(cluster.watches)), metrics.record_watch_event)
        around = Surroundings(settings, cluster, metrics, changes, clock.now, elector.is_leader)
        terms = Terms(elector, lambda: lead(around))
        runner = await serve(
            metrics,
            host=settings.host,
            port=settings.port,
            problem=lambda: heartbeat.problem() or elector.problem(),
            hang=lambda: known.hang() or terms.hang(),
            tls=None if certificate is None else certificate.context,
        )
        stack.push_async_callback(runner.cleanup)
        if certificate is not None:
            following = asyncio.create_task(keep_running("certificate", certificate.follow))
            stack.push_async_callback(_cancel, [following])
        where = ", ".join(settings.namespaces) or "all namespaces"
        where += f" for SuggestionModels with {settings.selector}" if settings.selector else ""
        log.info("watching %s; health and metrics on %s:%d", where, settings.host, settings.port)
        watching = watch(changes, namespaces=settings.namespaces, heartbeat=heartbeat, process=process)
        background = [
            asyncio.create_task(keep_running("heartbeat", heartbeat.run)),
            asyncio.create_task(watching),
        ]
        stack.push_async_callback(_cancel, background)
        stack.push_async_callback(_cancel, [asyncio.create_task(_warn_if_nothing_matches(known, settings, heartbeat))])
        # Another operator takes over once the Lease is given back: before the watch ends, which may take seconds.
        stack.push_async_callback(elector.release)
        electing = asyncio.create_task(keep_running("leader election", elector.run))
        stack.push_async_callback(_cancel, [electing])
        leading = asyncio.create_task(terms.run())
        stack.push_async_callback(_cancel, [leading])
        ended, _ = await asyncio.wait((*background, electing, leading), return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()


async def _warn_if_nothing_matches(known: KnownResources, settings: Settings, heartbeat: Heartbeat) -> None:
    """Log once that the selector matches no SuggestionModel, some time after they could first be listed."""
    await heartbeat.connected.wait()
    await asyncio.sleep(MATCHES_WITHIN)
    if settings.selector and not known.count():
        log.warning("no SuggestionModel has labels that match the selector %s", settings.selector)


def _election(settings: Settings) -> Election | None:
    """Return the election that this operator takes part in; None without one. Raises ClusterError."""
    chosen = settings.leader_election
    if not chosen.enabled:
        return None
    try:
        namespace = own_namespace()
    except ConfigException as error:
        raise ClusterError(f"the operator's own namespace is not known: {error}") from error
    annotations = {names.ANNOTATION_SELECTOR: settings.selector}
    return Election(namespace, chosen.name_for(settings.selector), own_identity(), chosen.timing, annotations)


def _seconds_to_write(election: Election | None) -> Callable[[], float]:
    return (lambda: math.inf) if election is None else (lambda: election.seconds_left(machine_clock()))


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    tasks = tuple(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    main()
