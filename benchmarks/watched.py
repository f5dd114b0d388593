"""What benchmarks on a cluster share: objects as a watch tells of them, with times, and a line of results."""

import json
import threading
import time
from contextlib import suppress
from statistics import quantiles

from kubernetes import watch
from urllib3.exceptions import ProtocolError


class Objects(threading.Thread):
    """Every state of the objects that a watch tells of, with the time at which it came."""

    def __init__(self, listing, *arguments, **options):
        super().__init__(daemon=True)
        self.listing, self.arguments, self.options = listing, arguments, options
        self.seen, self.changed = [], threading.Condition()
        self.start()

    def run(self):
        """Watch until the process ends."""
        with suppress(ProtocolError):  # the node has ended
            while True:
                for event in watch.Watch().stream(self.listing, *self.arguments, **self.options):
                    with self.changed:
                        self.seen.append((time.monotonic(), event["type"], event["raw_object"]))
                        self.changed.notify_all()

    def wait(self, holds, *, seconds=120.0, since=0):
        """Return the time and the object for which `holds` is true first."""
        deadline, index = time.monotonic() + seconds, since
        while True:
            with self.changed:
                while index == len(self.seen):
                    if not self.changed.wait(deadline - time.monotonic()):
                        raise TimeoutError(f"no object was as expected within {seconds:g} s: {self.last()}")
                at, kind, found = self.seen[index]
            if kind != "DELETED" and holds(found):
                return at, found
            index += 1

    def last(self):
        """Return the last status, for a message."""
        return json.dumps(self.seen[-1][2].get("status"), default=str)[:2000] if self.seen else "none was seen"


def report_line(what, found, limit=None, unit="s"):
    """Print median, 99th percentile and maximum, and return them."""
    ordered = sorted(found)
    p99 = quantiles(ordered, n=100, method="inclusive")[98] if len(ordered) > 1 else ordered[0]
    median = ordered[len(ordered) // 2]
    print(
        f"{what:<58} n={len(ordered):<4} median {median:.2f}  p99 {p99:.2f}  highest {ordered[-1]:.2f} {unit}"
        + ("" if limit is None else f"  (limit {limit:g})"),
        flush=True,
    )
    return {"n": len(ordered), "median": median, "p99": p99, "highest": ordered[-1], "limit": limit}
