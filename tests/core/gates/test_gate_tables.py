"""Tables of gates in the documents are those of the catalogue."""

from pathlib import Path

import pytest

from serin_core.api.gate_names import DEFAULT_AT_LEAST, DEFAULT_AT_MOST, GateName
from serin_core.contract.gate_catalog import CATALOG, AsReported, NotWorseThanControl
from serin_core.evidence.bounds import AtLeast, AtMost

DOCS = Path(__file__).parents[3] / "docs"


def table(rows):
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(cells)} |".replace("| --- ", "|---").replace("--- |", "---|") for cells in lines)


def default(gate):
    match gate.default:
        case AtLeast(p=p):
            return f"at least {p:.2f}"
        case AtMost(u=u):
            return f"at most {u:.2f}"
        case AsReported():
            return "at most the share in the run's report + 0.05"
        case NotWorseThanControl(odds_ratio=odds):
            return f"cannot pass unless required; rejections at most {odds:g} times as likely (odds)"


def stages(gate):
    if not gate.is_evaluated_at(0):
        return "canary" if gate.is_evaluated_at(100) else "canary below 100 %, or with a holdback"
    return "all"


def gates():
    rows = [["gate", "share of", "counts", "in the canary, counted on", "default", "stages"]]
    rows += [
        [
            f"`{gate.name.value}`",
            gate.description,
            gate.unit.value,
            gate.arms.value,
            default(gate) + ("" if gate.is_on_by_default else ", off"),
            stages(gate),
        ]
        for gate in CATALOG.values()
    ]
    return table(rows)


def series(gate, count):
    parts = []
    for term in gate.terms:
        sign = getattr(term, count)
        if not sign:
            continue
        label = f'{{{term.label}="{term.value}"}}' if term.label else ""
        parts.append(f"{'- ' if sign < 0 else '+ ' if parts else ''}`{term.metric}{label}`")
    return " ".join(parts) + (f", by `{gate.terms[0].part}`" if gate.terms[0].part else "")


def numbers():
    rows = [["gate", "good", "total"]]
    rows += [[gate.name.value, series(gate, "good"), series(gate, "total")] for gate in CATALOG.values()]
    return table(rows)


@pytest.mark.parametrize(("page", "expected"), [("gates.md", gates), ("metrics.md", numbers)])
def test_the_page_has_the_table_of_the_catalogue(page, expected):
    assert expected() in (DOCS / page).read_text(encoding="utf-8")


def test_every_gate_has_one_entry_with_its_default():
    assert tuple(CATALOG) == tuple(GateName)
    assert {name: gate.default.p for name, gate in CATALOG.items() if isinstance(gate.default, AtLeast)} == (
        DEFAULT_AT_LEAST
    )
    assert {name: gate.default.u for name, gate in CATALOG.items() if isinstance(gate.default, AtMost)} == (
        DEFAULT_AT_MOST
    )


def test_every_term_names_a_metric_that_is_documented():
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    for gate in CATALOG.values():
        for metric in gate.metrics:
            assert metric.removesuffix("_bucket").removesuffix("_count") in page
