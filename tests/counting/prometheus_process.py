"""Prometheus 3 processes of the tests' own, found or built as the local cluster does it."""

import json
import ssl
import struct
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path

from serin_localcluster.controlplane import free_port

READY_WITHIN = 30.0
SCRAPE = "200ms"
KEEPS_OLD = "30d"
"""Samples so long ago may still be written: a stage of weeks is written at once."""
Labels = tuple[tuple[str, str], ...]
Targets = Iterable[tuple[str, Mapping[str, str]]]


class PrometheusProcess:
    """One process with an empty store. Takes samples by scraping, and by remote write for times gone by."""

    READY = "/-/ready"

    def __init__(
        self,
        program: Path,
        directory: Path,
        *,
        targets: Targets = (),
        flags: tuple[str, ...] = (),
        tls: ssl.SSLContext | None = None,
        authorization: str = "",
        external_labels: Mapping[str, str] | None = None,
        relabel: Iterable[str] = (),
    ) -> None:
        """`relabel`: rules for the labels of series, as YAML.

        `tls` and `authorization`: how to ask whether it is ready, where its flags demand these."""
        directory.mkdir(parents=True)
        self._tls, self._headers = tls, {"Authorization": authorization} if authorization else {}
        config = directory / "prometheus.yaml"
        self._relabel = tuple(relabel)
        config.write_text(self._configuration(targets, external_labels or {}), encoding="utf-8")
        address = f"127.0.0.1:{free_port()}"
        self.url = f"{'http' if tls is None else 'https'}://{address}"
        argv = [str(program), *self._arguments(config, directory / "data", address), *flags]
        with (directory / "log").open("w") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + READY_WITHIN
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise RuntimeError(f"Prometheus is not ready:\n{(directory / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def _configuration(self, targets: Targets, external_labels: Mapping[str, str]) -> str:
        scraping = _configuration(targets, external_labels, self._relabel)
        return f"{scraping}storage: {{tsdb: {{out_of_order_time_window: {KEEPS_OLD}}}}}\n"

    def _arguments(self, config: Path, data: Path, address: str) -> Iterable[str]:
        return (
            f"--config.file={config}",
            f"--storage.tsdb.path={data}",
            "--storage.tsdb.retention.time=60d",
            f"--web.listen-address={address}",
            "--web.enable-remote-write-receiver",
            "--web.enable-admin-api",
            "--log.level=warn",
        )

    def settle(self) -> None:
        """Make everything visible to queries that was scraped or written: it is at once."""

    def _is_ready(self) -> bool:
        try:
            asked = urllib.request.Request(f"{self.url}{self.READY}", headers=self._headers)  # noqa: S310
            with urllib.request.urlopen(asked, timeout=1, context=self._tls) as response:  # noqa: S310
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(timeout=20)

    def write(self, series: Mapping[Labels, Iterable[tuple[float, float]]]) -> None:
        """Store samples (Unix seconds, value), by remote write."""
        request = urllib.request.Request(  # noqa: S310
            f"{self.url}/api/v1/write",
            data=_as_snappy(b"".join(_part(1, _as_series(labels, found)) for labels, found in series.items())),
            headers={
                "Content-Type": "application/x-protobuf",
                "Content-Encoding": "snappy",
                "X-Prometheus-Remote-Write-Version": "0.1.0",
            },
        )
        with urllib.request.urlopen(request, timeout=30):  # noqa: S310
            self.settle()

    def forget(self, matcher: str, *, until: float) -> None:
        """Lose all samples of some series up to a Unix time, as retention does."""
        query = urllib.parse.urlencode({"match[]": matcher, "start": 0, "end": until})
        request = urllib.request.Request(f"{self.url}/api/v1/admin/tsdb/delete_series?{query}", method="POST")  # noqa: S310
        with urllib.request.urlopen(request, timeout=30):  # noqa: S310
            pass


class VictoriaMetricsProcess(PrometheusProcess):
    """The same, of another make. What it is given becomes visible a second later, or when it is flushed."""

    READY = "/health"

    def _configuration(self, targets: Targets, external_labels: Mapping[str, str]) -> str:
        return _configuration(targets, external_labels, self._relabel)

    def _arguments(self, config: Path, data: Path, address: str) -> Iterable[str]:
        return (
            f"-promscrape.config={config}",
            f"-storageDataPath={data}",
            "-retentionPeriod=60d",
            f"-httpListenAddr={address}",
            "-loggerLevel=WARN",
        )

    def settle(self) -> None:
        """Make everything visible to queries that was scraped or written: they are evaluated at whole seconds."""
        with urllib.request.urlopen(f"{self.url}/internal/force_flush", timeout=30):  # noqa: S310
            time.sleep(1 - time.time() % 1)


def _configuration(targets: Targets, external_labels: Mapping[str, str], relabel: Iterable[str]) -> str:
    named = json.dumps(dict(external_labels))
    lines = [f"global: {{scrape_interval: {SCRAPE}, scrape_timeout: {SCRAPE}, external_labels: {named}}}"]
    found = [
        f'{{targets: ["{address}"], labels: {{{", ".join(f"{name}: {value}" for name, value in labels.items())}}}}}'
        for address, labels in targets
    ]
    if found:
        lines += ["scrape_configs:", "- job_name: scripted", "  static_configs:", *(f"  - {one}" for one in found)]
        lines += [f"  metric_relabel_configs: [{', '.join(relabel)}]"]
    return "\n".join(lines) + "\n"


def _as_series(labels: Labels, samples: Iterable[tuple[float, float]]) -> bytes:
    named = (_part(1, _part(1, name.encode()) + _part(2, value.encode())) for name, value in sorted(labels))
    stored = (
        _part(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(round(at * 1000))) for at, value in samples
    )
    return b"".join((*named, *stored))


def _part(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _as_snappy(plain: bytes) -> bytes:
    """Return snappy's block format with literals only: it may be read, and saves nothing."""
    pieces = (plain[start : start + 65_536] for start in range(0, len(plain), 65_536))
    return _varint(len(plain)) + b"".join(b"\xf4" + struct.pack("<H", len(one) - 1) + one for one in pieces)
