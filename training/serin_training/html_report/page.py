"""The content of a run's HTML report. Texts of transactions appear only if examples are requested."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any, Final

import jinja2
from markupsafe import Markup
from sklearn.metrics import confusion_matrix

from serin_core.model.features import Transaction, merchant_key
from serin_core.model.report import ClassCurve, LearningCurve, Report
from serin_training.evaluation import Predictions
from serin_training.html_report import charts
from serin_training.metrics import macro_f1, reliability
from serin_training.run_text import calibration_remark
from serin_training.scoring import MIN_ROWS, Scores
from serin_training.training import TrainedRun

_CONFUSIONS: Final = 12
_EXAMPLES: Final = 4
_MAX_CHARACTERS: Final = 60


def render(run: TrainedRun, stable: Report | None, *, with_examples: bool) -> str:
    """Return the report of a run as HTML; `stable` is the report of the run to compare with, if there is one."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("serin_training", "html_report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["share"] = lambda value: f"{value:.1%}"
    environment.filters["f1"] = lambda value: f"{value:.3f}"
    report, evaluated, scores = run.report, run.evaluated, run.evaluated.scores()
    shared = files("serin_core").joinpath("pages", "base.css").read_text("utf-8")
    stylesheet = shared + environment.get_template("style.css").render()
    return environment.get_template("page.html.j2").render(
        stylesheet=Markup(stylesheet),  # noqa: S704 - our stylesheet
        report=report,
        worst=scores.worst,
        rare=[(label, rows) for label, rows in scores.rows.items() if rows < MIN_ROWS and label != scores.worst],
        min_rows=MIN_ROWS,
        calibration_remark=calibration_remark(report),
        charts={name: Markup(svg) for name, svg in _charts(report, evaluated, scores)},  # noqa: S704 - our charts
        coverage=scores.coverage,
        curve=report.learning_curve,
        classes_of_curve=_classes_of(report.learning_curve),
        confusions=list(_confusions(evaluated, with_examples=with_examples)),
        novelty=list(_novelty(run)),
        changes=[] if stable is None else _changes(report, stable),
        stable=stable,
        with_examples=with_examples,
    )


def _classes_of(curve: LearningCurve | None) -> Sequence[tuple[str, ClassCurve]]:
    """Return the classes of a learning curve, the lowest F1 first."""
    return [] if curve is None else sorted(curve.classes.items(), key=lambda item: item[1].f1[-1])


def _charts(report: Report, evaluated: Predictions, scores: Scores) -> Iterator[tuple[str, str]]:
    labels = sorted({*evaluated.labels, *evaluated.categories})
    kinds = {"confidence": evaluated.calibrated}
    if report.calibration_enabled:
        kinds |= {"before calibration": evaluated.raw}
    bins = {
        name: reliability([confidence for _, confidence in predicted], evaluated.right)
        for name, predicted in kinds.items()
    }
    months = {} if report.profile is None else report.profile.monthly
    yield "f1", charts.f1_by_class(scores.f1, scores.rows, minimum=report.gate_f1_min)
    yield "reliability", charts.reliability(bins)
    yield "coverage", charts.coverage(scores.coverage)
    yield "confusion", charts.confusion(confusion_matrix(evaluated.categories, evaluated.labels, labels=labels), labels)
    yield "months", charts.by_month(months)


def _novelty(run: TrainedRun) -> Iterator[dict[str, Any]]:
    evaluated = run.evaluated
    seen = [merchant_key(row.transaction.merchant) in run.merchants for row in evaluated.rows]
    for name, wanted in (("known from training", True), ("new", False)):
        chosen = [at for at, is_seen in enumerate(seen) if is_seen is wanted]
        labels, truth = [evaluated.labels[at] for at in chosen], [evaluated.categories[at] for at in chosen]
        right = sum(map(str.__eq__, labels, truth))
        accuracy = right / len(chosen) if chosen else None
        yield {"name": name, "rows": len(chosen), "f1": macro_f1(labels, truth), "accuracy": accuracy}


def _confusions(evaluated: Predictions, *, with_examples: bool) -> Iterator[dict[str, Any]]:
    """Yield the most frequent wrong predictions, most rows first."""
    wrong: dict[tuple[str, str], list[Transaction]] = defaultdict(list)
    for row, label in zip(evaluated.rows, evaluated.labels, strict=True):
        if row.category != label:
            wrong[row.category, label].append(row.transaction)
    for (truth, label), found in sorted(wrong.items(), key=lambda one: (-len(one[1]), one[0]))[:_CONFUSIONS]:
        examples = dict.fromkeys(_example(one.merchant, one.description) for one in found if with_examples)
        yield {"truth": truth, "predicted": label, "rows": len(found), "examples": list(examples)[:_EXAMPLES]}


def _example(merchant: str, description: str) -> str:
    text = f"{merchant} · {description}" if description else merchant
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 1]}…"


def _changes(report: Report, stable: Report) -> Sequence[tuple[str, float, float]]:
    found = [
        ("macro F1", stable.val_f1_macro, report.val_f1_macro),
        ("worst class", stable.val_f1_min, report.val_f1_min),
        ("accuracy", stable.val_accuracy, report.val_accuracy),
    ]
    both = sorted(set(stable.val_f1_per_class) & set(report.val_f1_per_class))
    return found + [(label, stable.val_f1_per_class[label], report.val_f1_per_class[label]) for label in both]
