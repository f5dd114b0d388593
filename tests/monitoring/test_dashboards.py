"""Dashboards: laid out without overlap, of metrics that exist, and of one SuggestionModel where they have it chosen."""

import itertools
import json
import re
from pathlib import Path

import pytest

from serin_monitoring.files import DASHBOARDS, MANIFESTS

METRICS = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
COLUMNS = 24


def read(name):
    return json.loads((MANIFESTS / "dashboards" / f"{name}.json").read_text(encoding="utf-8"))


def panels(board):
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions(board):
    return [target["expr"] for panel in panels(board) for target in panel["targets"]]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_fit_beside_each_other(name):
    board = read(name)
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = set(
            itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"]))
        )
        assert max(x for x, _ in cells) < COLUMNS, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_say_what_they_show(name):
    board = read(name)
    assert board["description"]
    assert [panel["title"] for panel in panels(board) if not panel["description"]] == []
    for panel in panels(board):
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == sorted(set(letters)), panel["title"]


def test_dashboards_have_different_uids():
    assert len({read(name)["uid"] for name in DASHBOARDS}) == len(DASHBOARDS)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_metric_of_a_panel_is_documented(name):
    used = {
        metric.removesuffix("_bucket")
        for expression in expressions(read(name))
        for metric in re.findall(r"\b((?:serin|lm)_\w+)(?=[{\[)])", expression)
    } - {"serin_model", "serin_run", "serin_class", "serin_pod", "serin_arm"}
    assert len(used) > 5
    assert [metric for metric in used if f"`{metric}`" not in METRICS] == []


@pytest.mark.parametrize("name", ["rollout", "server"])
def test_a_dashboard_of_one_suggestionmodel_selects_it_in_every_query(name):
    board = read(name)
    assert "model" in [variable["name"] for variable in board["templating"]["list"]]
    for expression in [*expressions(board), *(one["expr"] for one in board["annotations"]["list"])]:
        selectors = re.findall(r"(?:serin|lm)_\w+\{([^}]*)\}", expression)
        assert selectors, expression
        assert all('serin_model="$model"' in selector for selector in selectors), expression


def test_bounds_are_the_settings_of_the_gates_and_no_constants():
    for panel in panels(read("rollout")):
        drawn = [
            override["matcher"]["options"]
            for override in panel["fieldConfig"]["overrides"]
            if override["matcher"]["id"] == "byFrameRefID"
        ]
        bounds = [target["refId"] for target in panel["targets"] if "gate_bound" in target["expr"]]
        assert drawn == bounds, panel["title"]
        assert "thresholds" not in panel["fieldConfig"]["defaults"], panel["title"]
