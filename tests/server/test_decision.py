import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server.fakes import CANDIDATE, STABLE, digest

from serin_core.contract.documents import ServedRun, Thresholds
from serin_server.decision import (
    CandidateContext,
    FromRules,
    FromRun,
    NoSuggestion,
    RequestDecision,
    control_answer,
    decide,
)
from serin_server.metrics.counters import Agree, AnswerSource, Fallback
from serin_server.runs.predictor import (
    Failed,
    Failure,
    NotRequested,
    Predicted,
    Prediction,
    PredictionResult,
    Ranked,
    Unavailable,
)

RULE = FromRules("Groceries", "loblaws")
RUN = ServedRun(run=CANDIDATE, digest=digest(CANDIDATE), thresholds=Thresholds(default=0.7, per_class={"Dining": 0.9}))
STABLE_RUN = ServedRun(run=STABLE, digest=digest(STABLE), thresholds=Thresholds())


def prediction(label: str = "Groceries", confidence: float = 0.8) -> Prediction:
    return Prediction((Ranked(label, confidence), Ranked("Other", 0.1)))


def predicted(label: str = "Groceries", confidence: float = 0.8) -> Predicted:
    return Predicted(prediction(label, confidence), 0.001)


def trial(*, in_canary: bool, shadow: bool = True) -> CandidateContext:
    return CandidateContext(RUN, may_answer=in_canary, in_canary=in_canary, is_compared=in_canary or shadow)


def test_the_candidate_answers_a_user_in_the_canary_when_it_is_sure() -> None:
    decision = decide(trial(in_canary=True), predicted(), control=RULE)
    assert decision.answer == FromRun(CANDIDATE, prediction(), 0.7)
    assert (decision.source, decision.fallback, decision.is_shown_in_time) == (AnswerSource.MODEL, None, True)
    assert decision.is_accepted


def test_under_its_class_threshold_it_does_not() -> None:
    decision = decide(trial(in_canary=True), predicted("Dining", 0.85), control=RULE)
    assert decision.answer == RULE
    assert (decision.fallback, decision.is_shown_in_time, decision.is_low_confidence) == (
        Fallback.LOW_CONFIDENCE,
        None,
        True,
    )
    assert decision.first_label == "Dining"


def test_outside_the_canary_it_is_compared_and_not_shown() -> None:
    decision = decide(trial(in_canary=False), predicted(), control=RULE)
    assert decision.answer == RULE
    assert (decision.agree, decision.is_shadow, decision.is_shown_in_time) == (Agree.TRUE, True, None)
    assert decision.fallback is Fallback.NOT_IN_CANARY


def test_whoever_is_shown_the_candidate_is_compared_as_well_and_is_no_shadow() -> None:
    decision = decide(trial(in_canary=True), predicted("Dining", 0.95), control=RULE)
    assert (decision.agree, decision.is_shadow) == (Agree.FALSE, False)


@pytest.mark.parametrize(
    ("control", "agree"),
    [
        pytest.param(RULE, Agree.TRUE, id="the rules say the same"),
        pytest.param(FromRules("Dining", "cafe"), Agree.FALSE, id="the rules say something else"),
        pytest.param(FromRun(STABLE, prediction("Dining"), 0.7), Agree.FALSE, id="the stable run says something else"),
        pytest.param(NoSuggestion(), Agree.NONE, id="there is no control answer"),
    ],
)
def test_the_first_label_is_compared_whatever_its_confidence(
    control: FromRules | FromRun | NoSuggestion, agree: Agree
) -> None:
    assert decide(trial(in_canary=False), predicted(confidence=0.01), control=control).agree is agree


@pytest.mark.parametrize(
    ("in_canary", "asked", "reason"),
    [
        pytest.param(False, NotRequested(), Fallback.NOT_IN_CANARY, id="not in the canary and not asked"),
        pytest.param(False, Unavailable(), Fallback.NOT_IN_CANARY, id="not in the canary comes before unavailable"),
        pytest.param(False, predicted(confidence=0.1), Fallback.NOT_IN_CANARY, id="and before low confidence"),
        pytest.param(True, Unavailable(), Fallback.UNAVAILABLE, id="unavailable"),
        pytest.param(True, predicted(confidence=0.1), Fallback.LOW_CONFIDENCE, id="low confidence"),
        pytest.param(True, Failed(Failure.RAISED, 0.001), Fallback.UNKNOWN, id="it raised"),
        pytest.param(True, Failed(Failure.TOO_SLOW, 0.2, prediction()), Fallback.UNKNOWN, id="it was too slow"),
    ],
)
def test_a_fallback_has_exactly_one_reason(in_canary: bool, asked: PredictionResult, reason: Fallback) -> None:  # noqa: FBT001
    assert decide(trial(in_canary=in_canary), asked, control=RULE).fallback is reason


@pytest.mark.parametrize(
    ("asked", "is_shown_in_time"),
    [
        pytest.param(Failed(Failure.TOO_SLOW, 0.2, prediction(confidence=0.8)), False, id="sure, but too late"),
        pytest.param(Failed(Failure.TOO_SLOW, 0.2, prediction(confidence=0.1)), None, id="too late and not sure"),
        pytest.param(Failed(Failure.RAISED, 0.001), None, id="raised"),
        pytest.param(Failed(Failure.NOT_A_NUMBER, 0.001), None, id="no number"),
        pytest.param(Unavailable(), None, id="not available"),
    ],
)
def test_only_a_confident_answer_that_came_too_late_counts_as_not_shown(
    asked: PredictionResult,
    is_shown_in_time: bool | None,  # noqa: FBT001
) -> None:
    assert decide(trial(in_canary=True), asked, control=RULE).is_shown_in_time is is_shown_in_time


def test_the_control_answer_is_the_stable_run_over_its_threshold_else_the_rules() -> None:
    assert control_answer(STABLE_RUN, predicted(confidence=0.9), RULE) == FromRun(
        STABLE, prediction(confidence=0.9), 0.7
    )
    assert control_answer(STABLE_RUN, predicted(confidence=0.6), RULE) == RULE
    assert control_answer(STABLE_RUN, Failed(Failure.RAISED, 0.1), RULE) == RULE


attempts = st.one_of(
    st.just(NotRequested()),
    st.just(Unavailable()),
    st.builds(Failed, st.sampled_from(Failure), st.just(0.2), st.none() | st.builds(prediction)),
    st.builds(
        predicted,
        st.sampled_from(["Groceries", "Dining"]),
        st.floats(min_value=0, max_value=1) | st.just(math.nan),
    ),
)
controls = st.sampled_from([RULE, NoSuggestion(), FromRun(STABLE, prediction("Dining"), 0.7)])


@given(attempts, controls, st.booleans(), st.booleans())
def test_where_there_is_a_control_answer_there_is_always_an_answer(
    asked: PredictionResult,
    control: FromRules | FromRun | NoSuggestion,
    in_canary: bool,  # noqa: FBT001
    shadow: bool,  # noqa: FBT001
) -> None:
    decision = decide(trial(in_canary=in_canary, shadow=shadow), asked, control=control)
    assert isinstance(control, NoSuggestion) or not isinstance(decision.answer, NoSuggestion)


@given(attempts, controls, st.booleans())
def test_the_candidate_is_never_shown_outside_the_canary_nor_under_its_threshold(
    asked: PredictionResult,
    control: FromRules | FromRun | NoSuggestion,
    in_canary: bool,  # noqa: FBT001
) -> None:
    answer = decide(trial(in_canary=in_canary), asked, control=control).answer
    if isinstance(answer, FromRun) and answer.run == CANDIDATE:
        assert in_canary
        assert answer.prediction.first.confidence >= RUN.thresholds.of(answer.label)


@given(attempts, controls, st.booleans())
def test_either_the_run_answered_or_there_is_a_reason_why_not(
    asked: PredictionResult,
    control: FromRules | FromRun | NoSuggestion,
    in_canary: bool,  # noqa: FBT001
) -> None:
    decision = decide(trial(in_canary=in_canary), asked, control=control)
    is_shown = isinstance(decision.answer, FromRun) and decision.answer.run == CANDIDATE
    assert is_shown == (decision.fallback is None)


def test_rules_alone_are_counted_as_rules() -> None:
    assert RequestDecision(NoSuggestion()).source is AnswerSource.RULE
