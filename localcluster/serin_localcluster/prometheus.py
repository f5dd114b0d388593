"""Prometheus 3 beside the cluster: discovers pods through the API server and scrapes the annotated ones."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from serin_localcluster import processes
from serin_localcluster.controlplane import Started, free_port, wait_until_ready
from serin_localcluster.programs import find_programs

READY_WITHIN = 30.0
JOB = "serin-pods"


def find() -> Path:
    """Return a Prometheus 3 executable; one is built where none is installed. Raises BuildError."""
    return Path(find_programs(["prometheus"])["prometheus"][0])


class Prometheus:
    """One Prometheus process, which keeps its port and data over restarts."""

    def __init__(
        self, command: Sequence[str], directory: Path, *, kubeconfig: Path, scrape_interval_seconds: float
    ) -> None:
        self._command, self._directory = command, directory
        self._started: Started | None = None
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.data = directory / "data"
        directory.mkdir(parents=True, exist_ok=True)
        config = configuration(kubeconfig=kubeconfig, scrape_interval_seconds=scrape_interval_seconds)
        (directory / "prometheus.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")

    async def start(self) -> None:
        """Start the process unless it is running. Raises StartError."""
        if self._started is not None and self._started[0].returncode is None:
            return
        log = self._directory / "prometheus.log"
        argv = [
            *self._command,
            f"--config.file={self._directory / 'prometheus.yaml'}",
            f"--storage.tsdb.path={self.data}",
            "--storage.tsdb.retention.time=1d",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--log.level=warn",
        ]
        self._started = (await processes.start(argv, log=log), log)
        await wait_until_ready(f"{self.url}/-/ready", {"Prometheus": self._started}, within=READY_WITHIN)

    async def stop(self) -> None:
        """Stop the process and keep its data."""
        if self._started is not None:
            await processes.end(self._started[0], grace=5)


def configuration(*, kubeconfig: Path, scrape_interval_seconds: float) -> dict[str, object]:
    """Return a configuration that scrapes annotated pods, with their namespace and name as labels."""
    interval = f"{int(scrape_interval_seconds * 1000)}ms"
    annotation = "__meta_kubernetes_pod_annotation_prometheus_io_"
    relabel = [
        {"source_labels": [f"{annotation}scrape"], "regex": "true", "action": "keep"},
        {"source_labels": ["__meta_kubernetes_pod_ip"], "regex": ".+", "action": "keep"},
        {
            "source_labels": ["__meta_kubernetes_pod_phase"],
            "regex": "Pending|Succeeded|Failed|Completed",
            "action": "drop",
        },
        {"source_labels": [f"{annotation}scheme"], "regex": "(https?)", "target_label": "__scheme__"},
        {"source_labels": [f"{annotation}path"], "regex": "(.+)", "target_label": "__metrics_path__"},
        {
            "source_labels": ["__meta_kubernetes_pod_ip", f"{annotation}port"],
            "regex": "(.+);(.+)",
            "replacement": "$1:$2",
            "target_label": "__address__",
        },
        {
            "source_labels": ["__meta_kubernetes_pod_ip", f"{annotation}port"],
            "regex": "(.+:.+);(.+)",
            "replacement": "[$1]:$2",
            "target_label": "__address__",
        },
        {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
        {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
    ]
    job = {
        "job_name": JOB,
        "kubernetes_sd_configs": [{"role": "pod", "kubeconfig_file": str(kubeconfig)}],
        "relabel_configs": relabel,
        "tls_config": {"insecure_skip_verify": True},
    }
    return {
        "global": {"scrape_interval": interval, "scrape_timeout": interval},
        "scrape_configs": [job],
    }
