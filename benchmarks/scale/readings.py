"""What is read of the processes and of their metrics, and the difference of two such readings."""

import os
import re
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_SERIES = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
WRITES = ("POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION")
LAST_CHECK = "serin_suggestionmodel_last_check_timestamp_seconds"


def cpu_seconds(pid):
    """Return the CPU time of a process so far, with its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def started_at(pid):
    """Return the Unix time at which a process was started."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - uptime + int(fields[19]) / _TICKS


def memory_mib(pid, kind="VmRSS"):
    """Return the memory of a process in MiB: VmRSS now, or VmHWM at its highest."""
    found = re.search(rf"^{kind}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024


def children(pid):
    """Return the process ids of the direct children of a process, by the name of their program.

    The parts of the control plane may be one executable, which takes the name of the part as its first argument.
    """
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        program, first, *_ = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
        found[Path(program).name if first.startswith("-") else first] = int(child)
    return found


def samples(text, name):
    """Return labels and value of each series of a metric, from the text format."""
    return [
        (dict(_LABEL.findall(labels)), float(value)) for found, labels, value in _SERIES.findall(text) if found == name
    ]


def total(text, name, **labels):
    """Return the sum of the series of a metric that have these labels."""
    return sum(value for found, value in samples(text, name) if labels.items() <= found.items())


def fetch(url):
    """Return the body of a URL of this machine."""
    with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310 - http of this machine
        return response.read().decode()


@dataclass(slots=True)
class Reading:
    """All counters at one time; what does not run is 0."""

    at: float
    cpu: Counter = field(default_factory=Counter)
    """CPU seconds by program."""
    requests: Counter = field(default_factory=Counter)
    """Requests to the API server but watches, by verb and resource."""
    of_operator: float = 0.0
    """Requests of service accounts, of which only the operator has one."""
    passes: Counter = field(default_factory=Counter)
    """Passes of the operator, by result."""
    queries: float = 0.0

    def since(self, before):
        """Return what has happened since another reading; `at` is then the time between both, in seconds."""
        return Reading(
            at=self.at - before.at,
            cpu=_less(self.cpu, before.cpu),
            requests=_less(self.requests, before.requests),
            of_operator=self.of_operator - before.of_operator,
            passes=_less(self.passes, before.passes),
            queries=self.queries - before.queries,
        )

    def cpu_ms(self, program):
        """Return the milliseconds of CPU time a second."""
        return 1000 * self.cpu[program] / self.at

    @property
    def writes(self):
        """Return the number of requests that may change an object."""
        return sum(number for (verb, _), number in self.requests.items() if verb in WRITES)


def _less(after, before):
    return Counter({name: number - before[name] for name, number in after.items()})


def count_requests(text):
    """Return the requests by verb and resource, from the metrics of the API server; a watch is counted when it ends."""
    found = Counter()
    for labels, value in samples(text, "apiserver_request_total"):
        if labels.get("resource") and labels["verb"] not in ("WATCH", "CONNECT"):
            resource = "/".join(filter(None, (labels["resource"], labels["subresource"])))
            found[labels["verb"], resource] += value
    return found


def last_checks(text):
    """Return the Unix time of the last check of each resource, from the metrics of the operator."""
    return {(labels["namespace"], labels["name"]): value for labels, value in samples(text, LAST_CHECK)}
