"""Let `latest` name another run: the way forward and back for servers without operator."""

from dataclasses import dataclass

from serin_registry.errors import GateRefusedError
from serin_registry.reader import Reader, open_reader
from serin_registry.verification import verify_run


@dataclass(frozen=True, slots=True)
class Swap:
    """What `latest` named before, None if nothing, and what it names now."""

    before: str | None
    after: str


def swap_to(run: str, *, registry: Reader | str, force: bool = False) -> Swap:
    """Verify every file of a run, then let `latest` name it, in one atomic write.

    `run` is a run's name, its first part `run_<8 hex>`, or `latest`. `registry` may be an address. A run that its
    acceptance gate refused needs `force`. Raises RegistryError (GateRefusedError without `force`); `latest` is
    unchanged then.
    """
    reader = open_reader(registry) if isinstance(registry, str) else registry
    found = verify_run(reader, run)
    if not found.report.passed_acceptance_gate and not force:
        raise GateRefusedError(f"{found.name}: {found.report.deploy_reason}")
    before = reader.latest()
    reader.point_latest(found.name)
    return Swap(before, found.name)
