"""Set up the operator's log: lines on stderr, as text or JSON, each with the id of the reconcile that wrote it."""

import logging
import sys
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final

from serin_core.contract.addresses import WithoutSecrets
from serin_core.logs import JsonFormatter, TextFormatter

RECONCILE_ID: Final[ContextVar[str]] = ContextVar("reconcile_id", default="-")
"""The id of the reconcile under way; "-" outside of one."""


def configure_logs(*, as_json: bool, addresses: Iterable[str] = ()) -> None:
    """Set up the logging of the process, once, in `main`; secrets of these addresses are removed from every line."""
    handler = logging.StreamHandler(sys.stderr)
    text = TextFormatter("%(asctime)s %(levelname)-7s %(name)s [%(reconcile)s] %(message)s")
    handler.setFormatter(JsonFormatter("reconcile", "generation", "stage", "revision") if as_json else text)
    handler.addFilter(add_reconcile_id)
    handler.addFilter(_is_no_repeat)
    handler.addFilter(WithoutSecrets(*addresses))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # kopf logs every event that it passes on; in a steady state the log is silent.
    logging.getLogger("kopf").setLevel(logging.WARNING)


def add_reconcile_id(record: logging.LogRecord) -> bool:
    """Add the id of the reconcile under way to a record; a filter of logging that drops none."""
    record.reconcile = RECONCILE_ID.get()
    return True


def _is_no_repeat(record: logging.LogRecord) -> bool:
    """Drop kopf's lines about every failed attempt of every request: heartbeat and watch report an outage once."""
    is_of_asyncio = record.name == "asyncio" and "/kopf/_" in record.getMessage()
    return not (record.levelno == logging.ERROR and (is_of_asyncio or record.name.startswith("kopf._")))
