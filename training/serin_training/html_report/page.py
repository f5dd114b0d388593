"""What stands on the page of a run. Texts of transactions only where examples are wanted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import jinja2
from markupsafe import Markup

from serin_core.model.features import merchant_key
from serin_core.model.report import Report
from serin_training.evaluation import Predictions
from serin_training.html_report import charts
from serin_training.metrics import by_group, confusion_matrix, confusions, macro_f1, reliability

_CONFUSIONS: Final = 12
_EXAMPLES: Final = 4
_LONGEST: Final = 60


@dataclass(frozen=True, slots=True)
class Look:
    """What the page is made of."""

    report: Report
    judged: Predictions
    merchants: frozenset[str]
    """The keys of the merchants that the run learned from."""
    stable: Report | None
    """The report of the run that is trusted now, where there is one."""
    with_examples: bool


def render(look: Look) -> str:
    """Answer the page as HTML."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters["share"] = lambda value: f"{value:.1%}"
    environment.filters["f1"] = lambda value: f"{value:.3f}"
    template = environment.from_string(files("serin_training.html_report").joinpath("page.html.j2").read_text())
    report, judged = look.report, look.judged
    labels = sorted({*judged.labels, *judged.categories})
    scores = judged.scores()
    return template.render(
        report=report,
        rows=len(judged.rows),
        f1_chart=Markup(charts.f1_by_class(scores.f1, scores.rows, least=report.gate_f1_min)),  # noqa: S704 - our own drawing
        reliability_chart=Markup(_reliability(judged)),  # noqa: S704
        coverage_chart=Markup(charts.coverage(scores.coverage)),  # noqa: S704
        confusion_chart=Markup(  # noqa: S704
            charts.confusion(confusion_matrix(judged.labels, judged.categories, labels), labels)
        ),
        month_chart=Markup(charts.by_month(_by_month(judged))),  # noqa: S704
        coverage=scores.coverage,
        promised=report.coverage_by_class,
        confusions=_confusions(look),
        novelty=_novelty(look),
        changes=_changes(report, look.stable) if look.stable is not None else None,
        stable=look.stable,
        with_examples=look.with_examples,
    )


def _reliability(judged: Predictions) -> str:
    before, after = (
        reliability([confidence for _, confidence in answers], judged.right)
        for answers in (judged.raw, judged.calibrated)
    )
    return charts.reliability(before, after)


def _by_month(judged: Predictions) -> Mapping[str, tuple[float, int]]:
    return by_group([f"{row.at:%Y-%m}" for row in judged.rows], judged.labels, judged.categories)


def _novelty(look: Look) -> list[dict[str, Any]]:
    seen = [merchant_key(row.transaction.merchant) in look.merchants for row in look.judged.rows]
    found = []
    for name, wanted in (("merchants that it learned from", True), ("merchants never seen", False)):
        chosen = [at for at, is_seen in enumerate(seen) if is_seen is wanted]
        labels, categories = look.judged.labels, look.judged.categories
        answers, truth = [labels[at] for at in chosen], [categories[at] for at in chosen]
        right = sum(answer == wanted_label for answer, wanted_label in zip(answers, truth, strict=True))
        accuracy = right / len(chosen) if chosen else None
        found.append({"name": name, "rows": len(chosen), "f1": macro_f1(answers, truth), "accuracy": accuracy})
    return found


def _confusions(look: Look) -> list[dict[str, Any]]:
    judged = look.judged
    found = []
    for one in confusions(judged.labels, judged.categories, most=_CONFUSIONS):
        examples = [
            _example(row.transaction.merchant, row.transaction.description)
            for row, label in zip(judged.rows, judged.labels, strict=True)
            if look.with_examples and (row.category, label) == (one.truth, one.answer)
        ]
        found.append({"one": one, "examples": list(dict.fromkeys(examples))[:_EXAMPLES]})
    return found


def _example(merchant: str, description: str) -> str:
    text = f"{merchant} · {description}" if description else merchant
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _changes(report: Report, stable: Report) -> Sequence[tuple[str, float, float]]:
    found = [
        ("macro F1", stable.val_f1_macro, report.val_f1_macro),
        ("worst class", stable.val_f1_min, report.val_f1_min),
        ("accuracy", stable.val_accuracy, report.val_accuracy),
    ]
    both = sorted(set(stable.val_f1_per_class) & set(report.val_f1_per_class))
    found += [(label, stable.val_f1_per_class[label], report.val_f1_per_class[label]) for label in both]
    return found
