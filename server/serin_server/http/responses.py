"""The JSON of suggestions, written by one encoder for the fast path and for FastAPI.

The shapes are the ones that schemas.py declares; tests compare the two.
"""

from math import floor
from typing import Final

import msgspec

from serin_server.decision import Answer, Declined, FromRules, FromRun, NoSuggestion
from serin_server.runs.predictor import Failed, Predicted
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
    reasons: tuple[str, ...]


class _Suggestions(msgspec.Struct, frozen=True):
    items: list[_Item]


_ENCODER: Final = msgspec.json.Encoder()


def encode(suggestions: list[Suggestion]) -> bytes:
    """Return the JSON with one item for each suggestion, in their order."""
    return _ENCODER.encode(_Suggestions([_item(suggestion) for suggestion in suggestions]))


def _item(suggestion: Suggestion) -> _Item:
    answer = suggestion.answer
    candidates = _candidates(answer, suggestion.words)
    match answer:
        case FromRun(run=run):
            return _Item(suggestion.txn_id, candidates, "model", run, suggestion.event_id, ())
        case FromRules():
            return _Item(suggestion.txn_id, candidates, "rule", None, suggestion.event_id, ())
        case NoSuggestion(declined=declined):
            return _Item(suggestion.txn_id, (), "none", None, suggestion.event_id, _reasons(declined))


def _reasons(declined: tuple[Declined, ...]) -> tuple[str, ...]:
    """Return why there is no suggestion."""
    return "no rule matched", *(map(_reason, declined) if declined else ("no run serves this user",))


def _reason(one: Declined) -> str:
    match one.result:
        case Predicted(prediction=prediction):
            first = prediction.first
            # Rounded down, so that it is never shown as equal to the threshold.
            confidence = floor(first.confidence * 100) / 100
            return f"{one.run}: {first.label}, confidence {confidence:.2f} below threshold {one.threshold:.2f}"
        case Failed(failure=failure):
            return f"{one.run}: the prediction {failure.value}"
        case _:
            return f"{one.run}: not available on this pod"


def _candidates(answer: Answer, words: tuple[str, ...]) -> tuple[_Candidate, ...]:
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
