"""A server pod's mounted directories, as the operator fills them: runs, routing, rules, tokens, annotations."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from serin_core.contract import names
from serin_core.contract.documents import CandidateRun, LoadedRun, ModelDocument, RoutingDocument, ServedRun
from serin_core.model.manifest import MANIFEST, digest

UID = "6a1f0c1e-0000-4000-8000-000000000001"
TOKEN = "token-of-the-benchmark"  # noqa: S105 - only for the benchmark
ADMIN = "admin-token-of-the-benchmark"
RUNS = "ledger_suggestions"


@dataclass(frozen=True, slots=True)
class Pod:
    """The directories of one pod, below one folder."""

    root: Path
    registry: Path
    candidate: str
    stable: str | None

    def write(self, rules: Path) -> None:
        """Write all files: the candidate at 50 % of users, shadow on."""
        for name in ("model", "routing", "rules", "tokens", "pod", "state"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        runs = [LoadedRun(run=run) for run in (self.candidate, self.stable) if run is not None]
        model = ModelDocument(uid=UID, registry=str(self.registry), runs=tuple(runs))
        (self.root / "model" / names.MODEL_KEY).write_text(model.text())
        (self.root / "rules" / names.RULES_KEY).write_bytes(rules.read_bytes())
        (self.root / "tokens" / "token").write_text(TOKEN)
        (self.root / "tokens" / "admin-token").write_text(ADMIN)
        (self.root / "pod" / "annotations").write_text(f"{names.ANNOTATION_REVISION}={json.dumps('1')}\n")
        self.route(1, stage=1)

    def route(self, revision: int, *, stage: int) -> None:
        """Write another routing document: the same routing under a new revision."""
        stable = None if self.stable is None else ServedRun(run=self.stable, digest=self._digest(self.stable))
        document = RoutingDocument(
            uid=UID,
            revision=revision,
            stage=stage,
            salt="salt of the benchmark",
            candidate=CandidateRun(run=self.candidate, digest=self._digest(self.candidate), percent=50),
            stable=stable,
        )
        file = self.root / "routing" / names.ROUTING_KEY
        unfinished = file.with_suffix(".unfinished")
        unfinished.write_text(document.text())
        unfinished.replace(file)

    def _digest(self, run: str) -> str:
        return digest((self.registry / RUNS / run / MANIFEST).read_bytes())

    def environment(self, port: int) -> dict[str, str]:
        """Return the variables that the operator sets."""
        names_of = ("model", "routing", "rules", "tokens", "pod", "state")
        return {f"SERIN_{name.upper()}_DIR": str(self.root / name) for name in names_of} | {
            "SERIN_HOST": "127.0.0.1",
            "SERIN_PORT": str(port),
            "SERIN_UID": UID,
            "SERIN_MODEL_NAME": "bench/categories",
            "SERIN_POD": "bench",
        }


def trained(folder: Path, data: Path) -> tuple[Path, list[str]]:
    """Return a registry with two runs of the same data, trained once."""
    registry = folder / "registry"
    for seed in (0, 1):
        done = folder / f"trained-{seed}"
        if not done.exists():
            print(f"training run {seed + 1} of 2", file=sys.stderr)
            serin = str(Path(sys.executable).parent / "serin")
            argv = [serin, "train", "-o", "json", "--data", str(data), "--seed", str(seed), "--registry", str(registry)]
            answer = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
            done.write_text(json.loads(answer)["run_directory"])
    return registry, [(folder / f"trained-{seed}").read_text() for seed in (0, 1)]
