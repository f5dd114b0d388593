"""Parity rows: synthetic transactions with which a server checks that it computes what training computed.

They are random combinations of single words that the run knows, never the text of a real transaction; a run knows a
word only if several users used it.
"""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

import numpy as np

from serin_core.model.encoder import Encoder, probabilities
from serin_core.model.parity import ParityRow
from serin_training.run_pipeline import RunPipeline

ROWS: Final = 48
_EPOCH: Final = datetime(2024, 1, 1, tzinfo=UTC)
_ODD_MERCHANTS: Final = ("", "4711", "zzyzx", "SQ *", "Überraschungscafé", "TERMINAL 0417 POS")


def parity_rows(pipeline: RunPipeline, *, seed: int) -> tuple[ParityRow, ...]:
    """Return ROWS synthetic transactions with the pipeline's results, the odd ones first."""
    chance = Random(seed)  # noqa: S311 - variety, not secrecy
    rows = []
    for number in range(ROWS):
        row = _make(pipeline.encoder, number, chance)
        scores, numbers = pipeline.encoder.scores(row.transaction()), pipeline.encoder.numbers(row.transaction())
        corrections = pipeline.trees.corrections(np.array([numbers]))
        label, confidence = pipeline.predictions(probabilities(scores, corrections), [row.timestamp])[0]
        results = {
            "scores": scores.tolist(),
            "numbers": numbers,
            "corrections": corrections[0].tolist(),
            "label": label,
            "confidence": confidence,
        }
        rows.append(ParityRow.model_validate(row.model_dump() | results))
    return tuple(rows)


def _make(encoder: Encoder, number: int, chance: Random) -> ParityRow:
    merchant_words, description_words = (
        sorted(token[2:] for token in encoder.places if token.startswith(prefix)) or ["none"] for prefix in ("m:", "d:")
    )
    if number < len(_ODD_MERCHANTS):
        merchant = _ODD_MERCHANTS[number]
    else:
        words = " ".join(chance.choices(merchant_words, k=chance.randint(1, 3))).upper()
        store = f" #{chance.randrange(10_000)}" if chance.random() < 0.5 else ""  # noqa: PLR2004 - every second one
        merchant = f"{words}{store}"
    return ParityRow(
        merchant=merchant,
        description=" ".join(chance.choices(description_words, k=chance.randint(0, 3))),
        amount=round(chance.uniform(-50, 400), 2),
        channel=chance.choice((*encoder.channels, "")),
        timestamp=None if number % 8 == 0 else _EPOCH + timedelta(hours=chance.randrange(24 * 365)),
        scores=(),
        numbers=(),
        corrections=(),
        label="",
        confidence=0.0,
    )
