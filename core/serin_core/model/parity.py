"""The parity rows of a run, parity.json: what training predicted for a few transactions, for a server to reproduce."""

from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from serin_core.contract.documents import one_line
from serin_core.model.features import Transaction
from serin_core.model.manifest import PARITY, RunError


class ParityRow(BaseModel):
    """A synthetic transaction, made of words that the run knows, and what training's pipeline predicted for it.

    A server must reproduce `scores`, `numbers` and `corrections` bit for bit, and the confidence within 1e-9, because
    exponentials differ between machines.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    merchant: str
    description: str
    amount: float
    channel: str
    timestamp: datetime | None
    scores: tuple[float, ...]
    """Its Encoder.scores."""
    numbers: tuple[float, ...]
    """Its Encoder.numbers."""
    corrections: tuple[float, ...]
    """What the trees add to the scores, in the order of classes.json."""
    label: str
    confidence: float
    """Calibrated."""

    def transaction(self) -> Transaction:
        """Return the row as a transaction."""
        return Transaction(
            txn_id="parity",
            merchant=self.merchant,
            description=self.description,
            amount=self.amount,
            channel=self.channel,
            timestamp=self.timestamp,
        )


_ROWS: Final = TypeAdapter(tuple[ParityRow, ...])


def parse_parity(text: bytes) -> tuple[ParityRow, ...]:
    """Parse parity.json. Raises RunError."""
    try:
        return _ROWS.validate_json(text)
    except ValidationError as error:
        raise RunError(f"{PARITY}: {one_line(error)}") from None


def parity_text(rows: tuple[ParityRow, ...]) -> bytes:
    """Return the text of parity.json."""
    return _ROWS.dump_json(rows, indent=1) + b"\n"
