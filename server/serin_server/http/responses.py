"""The JSON of suggestions, written by one encoder for the fast path and for FastAPI.

The shapes are the ones that schemas.py declares; tests compare the two.
"""

from typing import Final

import msgspec

from serin_server.decision import FromRules, FromRun, NoSuggestion
from serin_server.metrics.counters import AnswerSource
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


class _Suggestions(msgspec.Struct, frozen=True):
    items: list[_Item]


_ENCODER: Final = msgspec.json.Encoder()


def encode(suggestions: list[Suggestion]) -> bytes:
    """Return the JSON with one item for each suggestion, in their order."""
    return _ENCODER.encode(_Suggestions([_item(suggestion) for suggestion in suggestions]))


def _item(suggestion: Suggestion) -> _Item:
    answer = suggestion.answer
    return _Item(
        suggestion.txn_id,
        _candidates(answer, suggestion.words),
        "model" if suggestion.source is AnswerSource.MODEL else "rule",
        answer.run if isinstance(answer, FromRun) else None,
        suggestion.event_id,
    )


def _candidates(answer: FromRun | FromRules | NoSuggestion, words: tuple[str, ...]) -> tuple[_Candidate, ...]:
    match answer:
        case FromRun(run=run, prediction=prediction, threshold=threshold):
            first, *others = prediction.ranked
            sure = f"{run}: confidence {first.confidence:.2f}, threshold {threshold:.2f}"
            reasons = (sure, f"most important words: {', '.join(words)}") if words else (sure,)
            return (
                _Candidate(first.label, first.confidence, reasons),
                *[_Candidate(one.label, one.confidence) for one in others],
            )
        case FromRules(label=label, keyword=keyword):
            return (_Candidate(label, 1.0, (f'keyword "{keyword}"',)),)
        case NoSuggestion():
            return ()
