"""The report of a pod: the names of its figures, which servers and operators of other versions write and read."""

import json

import pytest
from pydantic import ValidationError

from serin_core.contract.pod_report import ClassCoverage, Coverage, LoadState, PodReport, RunOnPod, RunQuality

COVERAGE = {"Dining": ClassCoverage(share=0.5, by_threshold={"0.50": Coverage(coverage=0.9, precision=0.8)})}


def report():
    quality = RunQuality(f1_macro=0.7, f1_min=0.6, coverage=COVERAGE)
    run = RunOnPod(run="run_1", state=LoadState.LOADED, digest="sha256:1", quality=quality)
    return PodReport(uid="u", process="p", runs=(run,))


def test_the_names_of_coverage_are_those_of_the_training_report():
    (run,) = report().model_dump(mode="json")["runs"]
    assert run["quality"]["coverage"] == {
        "Dining": {"share": 0.5, "by_threshold": {"0.50": {"coverage": 0.9, "precision": 0.8}}}
    }
    assert PodReport.model_validate_json(report().model_dump_json()) == report()


def test_figures_of_a_newer_server_are_ignored():
    found = report().model_dump(mode="json")
    found["runs"][0]["quality"]["coverage"]["Dining"] |= {"recall": 0.9}
    found["runs"][0]["quality"]["coverage"]["Dining"]["by_threshold"]["0.50"] |= {"recall": 0.9}
    assert PodReport.model_validate_json(json.dumps(found)) == report()


def test_a_share_above_1_is_refused():
    found = report().model_dump_json().replace("0.9", "1.9")
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        PodReport.model_validate_json(found)
