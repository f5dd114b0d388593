"""The charts of a run's report: matplotlib figures as SVG text to embed in HTML."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from serin_core.contract.pod_report import Coverage
from serin_training.metrics import Bin, f1_interval

_INK: Final = "#1f2933"
_BLUE: Final = "#2563a8"
_GREY: Final = "#9aa5b1"
_RED: Final = "#b8432f"
# Any: matplotlib types its settings as one literal of some three hundred names.
_STYLE: Final[Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _GREY,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "serin",
}


def f1_by_class(f1: Mapping[str, float], rows: Mapping[str, int], *, minimum: float) -> str:
    """Draw the F1 of each class with its 95 % interval, best on top, and the gate's minimum as a line."""
    order = sorted(f1, key=lambda label: f1[label])
    with mpl.rc_context(_STYLE):
        figure, axes = _new(6.8, 0.6 + 0.23 * len(order))
        for place, label in enumerate(order):
            low, high = f1_interval(f1[label], rows[label])
            axes.plot([low, high], [place, place], color=_GREY, linewidth=3, solid_capstyle="round")
            axes.plot(f1[label], place, "o", color=_BLUE, markersize=5)
        axes.axvline(minimum, color=_RED, linewidth=1, linestyle="--")
        axes.set_yticks(range(len(order)), [f"{label} ({rows[label]})" for label in order])
        axes.set_xlim(0, 1.01)
        axes.set_xlabel("F1 (rows in brackets; bar: 95 % interval; dashed: gate minimum)")
        return _svg(figure)


def reliability(bins_by_name: Mapping[str, Sequence[Bin]]) -> str:
    """Draw confidence against the share of right predictions, for one or two kinds of confidence."""
    with mpl.rc_context(_STYLE):
        figure, axes = _new(4.2, 3.6)
        axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1)
        for (name, bins), color in zip(bins_by_name.items(), (_BLUE, _RED), strict=False):
            sizes = np.sqrt([one.predictions for one in bins])
            axes.plot([one.confidence for one in bins], [one.right for one in bins], color=color, linewidth=1)
            axes.scatter(
                [one.confidence for one in bins],
                [one.right for one in bins],
                s=4 + 60 * sizes / max(sizes, default=1),
                color=color,
                label=name,
            )
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence", ylabel="share of right predictions")
        axes.legend(frameon=False, loc="upper left")
        return _svg(figure)


def coverage(by_threshold: Mapping[str, Coverage]) -> str:
    """Draw coverage and precision by threshold."""
    thresholds = [float(text) for text in by_threshold]
    with mpl.rc_context(_STYLE):
        figure, axes = _new(4.2, 3.6)
        axes.plot(thresholds, [one.coverage for one in by_threshold.values()], "o-", color=_BLUE, label="coverage")
        axes.plot(thresholds, [one.precision for one in by_threshold.values()], "o-", color=_INK, label="precision")
        axes.set(ylim=(0, 1.02), xlabel="threshold", ylabel="share")
        axes.legend(frameon=False, loc="lower left")
        return _svg(figure)


def confusion(matrix: NDArray[np.int64], labels: Sequence[str]) -> str:
    """Draw the confusion matrix, in shares of each true class."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    with mpl.rc_context(_STYLE):
        side = 1.6 + 0.27 * len(labels)
        figure, axes = _new(side + 1, side)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row in range(len(labels)):
            for column in range(len(labels)):
                share = shares[row, column]
                if share >= 0.01:  # noqa: PLR2004 - less is not shown
                    color = "white" if share > 0.6 else _INK  # noqa: PLR2004 - readable on either shade
                    axes.text(column, row, f"{share * 100:.0f}", ha="center", va="center", color=color, fontsize=6.5)
        axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right")
        axes.set_yticks(range(len(labels)), labels)
        axes.set(xlabel="predicted class (percent of the row)", ylabel="true class")
        axes.spines[:].set_visible(False)
        return _svg(figure)


def by_month(months: Mapping[str, tuple[int, int]]) -> str:
    """Draw the accuracy of each month from its rows and right predictions, with the number of rows."""
    with mpl.rc_context(_STYLE):
        figure, axes = _new(6.8, 2.2)
        places = range(len(months))
        axes.plot(places, [right / rows for rows, right in months.values()], "o-", color=_BLUE)
        every = max(1, len(months) // 12)
        labels = [f"{month}\nn={rows}" for month, (rows, _) in months.items()]
        # The last month may be incomplete: its number of rows is always shown.
        shown = [at for at in places if at % every == (len(months) - 1) % every]
        axes.set_xticks(shown, [labels[at] for at in shown])
        axes.set(ylim=(0, 1.02), ylabel="accuracy")
        return _svg(figure)


def _new(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _svg(figure: Figure) -> str:
    target = io.StringIO()
    figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = target.getvalue()
    # Ids are the same in every figure; in one document they would clash.
    salt = re.sub(r"\W", "", str(abs(hash(text)) % 10**8))
    text = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>s{salt}-", text[text.index("<svg") :])
    return re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
