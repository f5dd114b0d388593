"""Stand-ins at the server's own seams, and a pod's mounted directories as the kubelet lays them out."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from serin_core.contract import names
from serin_core.contract.documents import CandidateRun, LoadedRun, ModelDocument, RoutingDocument, ServedRun, Thresholds
from serin_core.contract.pod_report import RunQuality
from serin_core.contract.pushed_routing import PushedRouting
from serin_core.model.features import NUMBERS, Transaction
from serin_core.model.inputs import InputBins, Inputs
from serin_core.model.report import Recalibration
from serin_registry.errors import NotInRegistryError, RegistryUnavailableError, RunRefusedError
from serin_server.runs.predictor import Prediction, Ranked
from serin_server.settings import NoStoreSettings, OperatorMode, Settings, StoreSettings

UID = "6a1f0c1e-0000-4000-8000-000000000001"
STABLE = "run_aaaaaaaa_1700000000"
CANDIDATE = "run_bbbbbbbb_1700000001"
TOKEN = "user-token-topsecret"
ADMIN = "admin-token-topsecret"


def digest(run: str) -> str:
    return "sha256:" + (run.encode().hex() * 4)[:64].ljust(64, "0")


@dataclass
class FakeClock:
    """Stands still until it is told to move."""

    time: float = 1_800_000_000.0
    ticks: float = 100.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.ticks

    def advance(self, seconds: float) -> None:
        self.time += seconds
        self.ticks += seconds


@dataclass
class FakeRun:
    """Gives the label and confidence it is told to give, or does what it is told to do instead."""

    run: str = CANDIDATE
    label: str = "Groceries"
    confidence: float = 0.9
    classes: tuple[str, ...] = ("Groceries", "Dining")
    quality: RunQuality = field(default_factory=lambda: RunQuality(f1_macro=0.9, f1_min=0.8))
    f1: Mapping[str, float] = field(default_factory=lambda: {"Groceries": 0.9, "Dining": 0.8})
    recalibration: Recalibration | None = None
    input_bins: InputBins | None = None
    asked_with: Inputs = field(default_factory=lambda: Inputs((0.0,) * len(NUMBERS), is_new_merchant=False))
    before: Callable[[], None] = lambda: None
    asked: int = 0

    @property
    def digest(self) -> str:
        return digest(self.run)

    def predict(self, transaction: Transaction, *, calibrated: bool, now: float | None = None) -> Prediction:
        del transaction, calibrated, now
        self.asked += 1
        self.before()
        other = next(label for label in self.classes if label != self.label)
        rest = 0.0 if math.isnan(self.confidence) else 1 - self.confidence
        return Prediction((Ranked(self.label, self.confidence), Ranked(other, rest)))

    def inputs(self, transaction: Transaction) -> Inputs:
        del transaction
        self.before()
        return self.asked_with

    def words(self, transaction: Transaction, label: str) -> tuple[str, ...]:
        del label
        self.before()
        return tuple(transaction.merchant.lower().split()[:1])


class FakeRegistry:
    """Runs by name; while `away` says why, none can be read."""

    def __init__(self, *runs: FakeRun, refused: Mapping[str, str] | None = None) -> None:
        self.runs: dict[str, FakeRun] = {run.run: run for run in runs}
        self.refused = dict(refused or {})
        self.away = ""
        self.read: list[str] = []

    def __call__(self, wanted: LoadedRun) -> FakeRun:
        self.read.append(wanted.run)
        if self.away:
            raise RegistryUnavailableError(self.away)
        if wanted.run in self.refused:
            raise RunRefusedError(self.refused[wanted.run])
        if wanted.run not in self.runs:
            raise NotInRegistryError(f"{wanted.run} is not in the registry")
        return self.runs[wanted.run]


def transaction(txn_id: str = "1", **fields: object) -> Transaction:
    given = {
        "txn_id": txn_id,
        "user_id": "u1",
        "timestamp": None,
        "merchant": "LOBLAWS #12",
        "description": "",
        "amount": 12.5,
        "channel": "card",
    }
    return Transaction(**(given | fields))


def routing(
    revision: int = 1,
    *,
    percent: float | None = 0,
    candidate: str = CANDIDATE,
    stable: str | None = None,
    stage: int | None = None,
    shadow: bool = True,
    thresholds: Thresholds | None = None,
    uid: str = UID,
    supervision: float | None = None,
) -> RoutingDocument:
    """A routing document; `percent=None` means that there is no candidate."""
    chosen = thresholds or Thresholds()
    return RoutingDocument(
        uid=uid,
        revision=revision,
        stage=revision if stage is None else stage,
        salt="salt",
        shadow=shadow,
        candidate=None
        if percent is None
        else CandidateRun(
            run=candidate,
            digest=digest(candidate),
            percent=percent,
            thresholds=chosen,
            supervision_seconds=supervision,
        ),
        stable=None if stable is None else ServedRun(run=stable, digest=digest(stable), thresholds=chosen),
    )


class FakeOperator:
    """Signs routing with a key of its own."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def push(self, document: RoutingDocument | str) -> PushedRouting:
        text = document if isinstance(document, str) else document.text()
        return PushedRouting.of(text, self._key.sign(text.encode()))


class Mounted:
    """A pod's directories. ConfigMaps are swapped as the kubelet does: a `..data` link to a new directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._versions = 0
        for name in ("model", "routing", "rules", "tokens", "pod", "state"):
            (root / name).mkdir(parents=True)
        self.write("tokens", {"token": TOKEN, "admin-token": ADMIN})

    def write(self, volume: str, files: Mapping[str, str]) -> None:
        self._versions += 1
        directory = self.root / volume
        version = directory / f"..{self._versions}"
        version.mkdir()
        for name, text in files.items():
            (version / name).write_text(text)
            if not (directory / name).is_symlink():
                (directory / name).symlink_to(Path("..data") / name)
        beside = directory / "..data_tmp"
        beside.symlink_to(version.name)
        beside.replace(directory / "..data")

    def route(self, document: RoutingDocument, *, announce: int | None = None) -> None:
        """Write a document and announce its revision, or another one."""
        self.write("routing", {names.ROUTING_KEY: document.text()})
        self.announce(document.revision if announce is None else announce)

    def announce(self, revision: int) -> None:
        self.write("pod", {"annotations": f'{names.ANNOTATION_REVISION}={json.dumps(str(revision))}\nother="x"\n'})

    def model(self, *runs: str, registry: str = "/registry") -> None:
        document = ModelDocument(uid=UID, registry=registry, runs=tuple(LoadedRun(run=run) for run in runs))
        self.write("model", {names.MODEL_KEY: document.text()})

    def rules(self, text: str) -> None:
        self.write("rules", {names.RULES_KEY: text})

    def settings(
        self, *, store: StoreSettings | None = None, allow_anonymous: bool = False, routing_key: str = ""
    ) -> Settings:
        return Settings(
            host="127.0.0.1",
            port=0,
            model="shop/categories",
            uid=UID,
            pod="categories-1",
            mode=OperatorMode(
                model_dir=self.root / "model",
                routing_dir=self.root / "routing",
                pod_dir=self.root / "pod",
                state_dir=self.root / "state",
                routing_key=routing_key,
            ),
            store=store or NoStoreSettings(),
            rules_file=self.root / "rules" / names.RULES_KEY,
            tokens_dir=self.root / "tokens",
            allow_anonymous=allow_anonymous,
            grace_seconds=5.0,
        )
