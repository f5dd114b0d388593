import logging
import math
import re

import pytest
from server.fakes import FakeClock, FakeRun, transaction

from serin_server.runs.circuit_breaker import OPENS_AFTER
from serin_server.runs.predictor import (
    MAX_SECONDS,
    Failed,
    Failure,
    Loaded,
    Predicted,
    PredictionResult,
    Unavailable,
    predict_guarded,
)


def ask(loaded: Loaded | None, clock: FakeClock) -> PredictionResult:
    return predict_guarded(loaded, transaction(), calibrated=True, clock=clock)


def test_a_run_that_is_not_loaded_is_unavailable(clock: FakeClock) -> None:
    assert ask(None, clock) == Unavailable()


def test_an_answer_in_time_is_used_also_at_the_very_limit() -> None:
    clock = FakeClock(ticks=0.0)
    match ask(Loaded(FakeRun(before=lambda: clock.advance(MAX_SECONDS))), clock):
        case Predicted(prediction=prediction, seconds=seconds):
            assert (prediction.first.label, seconds) == ("Groceries", MAX_SECONDS)
        case other:
            pytest.fail(str(other))


def test_a_slow_answer_is_discarded_and_kept_only_to_be_counted(clock: FakeClock) -> None:
    outcome = ask(Loaded(FakeRun(before=lambda: clock.advance(0.2))), clock)
    assert isinstance(outcome, Failed)
    assert outcome.failure is Failure.TOO_SLOW
    assert outcome.late is not None
    assert outcome.seconds == pytest.approx(0.2)


@pytest.mark.parametrize("confidence", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_a_failure(clock: FakeClock, confidence: float) -> None:
    outcome = ask(Loaded(FakeRun(confidence=confidence)), clock)
    assert isinstance(outcome, Failed)
    assert outcome.failure is Failure.NOT_A_NUMBER


def test_repeated_failures_open_the_breaker_and_are_said_once(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    def explode() -> None:
        raise ValueError("LOBLAWS\n#12")

    run = FakeRun(before=explode)
    loaded = Loaded(run)
    with caplog.at_level(logging.WARNING):
        outcomes = [ask(loaded, clock) for _ in range(OPENS_AFTER + 3)]
    assert [type(outcome) for outcome in outcomes] == [Failed] * OPENS_AFTER + [Unavailable] * 3
    assert run.asked == OPENS_AFTER
    (line,) = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(
        rf"run {run.run} is not used for a while: its prediction raised an exception "
        r"\(ValueError at test_predictor.py:\d+\)",
        line,
    )


def test_it_lets_a_run_back_that_answers_again(clock: FakeClock) -> None:
    run = FakeRun(confidence=math.nan)
    loaded = Loaded(run)
    for _ in range(OPENS_AFTER):
        ask(loaded, clock)
    run.confidence = 0.9
    assert ask(loaded, clock) == Unavailable()
    clock.advance(1.0)
    assert isinstance(ask(loaded, clock), Predicted)
    assert isinstance(ask(loaded, clock), Predicted)
