"""What a suggestion looks like on the wire, written by one encoder whichever way the request came in.

The shapes are those that bodies.py declares; tests hold the two together.
"""

from typing import Final

import msgspec

from serin_server.decision import FromRules, FromRun, NoAnswer
from serin_server.metrics.counters import Source
from serin_server.suggester import Suggestion


class _Candidate(msgspec.Struct, frozen=True):
    label: str
    confidence: float
    reasons: tuple[str, ...] = ()


class _Item(msgspec.Struct, frozen=True):
    txn_id: str
    candidates: tuple[_Candidate, ...]
    source: str
    model_id: str | None
    event_id: str


class _Answer(msgspec.Struct, frozen=True):
    items: list[_Item]


_ENCODER: Final = msgspec.json.Encoder()


def write(suggestions: list[Suggestion]) -> bytes:
    """Answer the JSON of one item per suggestion, in their order."""
    return _ENCODER.encode(_Answer([_item(suggestion) for suggestion in suggestions]))


def _item(suggestion: Suggestion) -> _Item:
    answer = suggestion.answer
    return _Item(
        suggestion.txn_id,
        _candidates(answer, suggestion.words),
        "model" if suggestion.source is Source.MODEL else "rule",
        answer.run if isinstance(answer, FromRun) else None,
        suggestion.event_id,
    )


def _candidates(answer: FromRun | FromRules | NoAnswer, words: tuple[str, ...]) -> tuple[_Candidate, ...]:
    match answer:
        case FromRun(run=run, prediction=prediction, threshold=threshold):
            first, *others = prediction.ranked
            sure = f"{run} is {first.confidence:.2f} sure, {threshold:.2f} are needed"
            reasons = (sure, f"words that weighed most: {', '.join(words)}") if words else (sure,)
            return (
                _Candidate(first.label, first.confidence, reasons),
                *[_Candidate(one.label, one.confidence) for one in others],
            )
        case FromRules(label=label, keyword=keyword):
            return (_Candidate(label, 1.0, (f'keyword "{keyword}"',)),)
        case NoAnswer():
            return ()
