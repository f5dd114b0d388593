"""The rules of other tools, against their exact chances."""

from datetime import timedelta
from math import comb
from random import Random

import pytest

from serin_core.api.spec import SuggestionModelSpec
from serin_simulation.baselines import Argo, Flagger, Measured, play_by, run_through
from serin_simulation.rollout import Setting
from serin_simulation.traffic import Rates, Traffic

P, F, N = Measured.PASSED, Measured.FAILED, Measured.NOTHING


def through(rule, stages, measured):
    found = iter(measured)
    return run_through(rule, stages, lambda _stage: next(found))


def test_flagger_counts_failed_checks_over_all_stages_and_not_in_a_row():
    assert through(Flagger(), 3, [F, F, P, F, F, P, P]) == (True, (3, 3, 1))
    assert through(Flagger(), 3, [F, F, P, F, F, P, F]) == (False, (3, 3, 1))


def test_no_value_is_a_failed_check_in_flagger():
    assert through(Flagger(), 1, [N] * 5) == (False, (5,))


def test_argo_allows_as_many_failed_measurements_as_its_limit_in_each_analysis():
    assert through(Argo(), 2, [P] * 20) == (True, (10, 10))
    assert through(Argo(), 2, [P] * 10 + [F]) == (False, (10, 1))
    assert through(Argo(failure_limit=1), 2, ([F] + [P] * 9) * 2) == (True, (10, 10))


def test_argo_gives_up_after_five_measurements_in_a_row_without_a_value():
    assert through(Argo(), 1, [N] * 4 + [P] + [N] * 5) == (False, (10,))


@pytest.mark.parametrize(("truth", "expected"), [(0.60, 0.44), (0.65, 0.64), (0.85, 1.0)])
def test_flagger_promotes_as_often_as_the_binomial_formula_says(truth, expected):
    passes = sum(comb(5, k) * truth**k * (1 - truth) ** (5 - k) for k in (4, 5))
    exact = sum(comb(7, k) * passes**k * (1 - passes) ** (7 - k) for k in range(3, 8))
    assert exact == pytest.approx(expected, abs=0.006)
    rng = Random(3)

    def measure(_stage):
        return P if sum(rng.random() < truth for _ in range(5)) >= 4 else F

    promoted = sum(run_through(Flagger(), 3, measure)[0] for _ in range(2000)) / 2000
    assert promoted == pytest.approx(exact, abs=0.04)


def test_an_outage_of_prometheus_rolls_back_under_flagger():
    body = {"runID": "run_aaaaaaaa_1", "server": {"token": {"secretName": "t"}}}
    setting = Setting(SuggestionModelSpec.model_validate(body), promised=0.9)
    traffic = Traffic(rates=Rates(), outages=((timedelta(), timedelta(hours=1)),), classes=0)
    found = play_by(Flagger(), setting, traffic, Random(1))
    assert (found.end, found.why, found.checks) == ("RolledBack", "no data", 5)
