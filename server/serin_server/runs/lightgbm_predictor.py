"""A run's trees, asked through LightGBM's C API: one row, one thread, nothing allocated on the way.

Rows that the trees cannot tell apart are answered from memory: a first number counts only by the split points that it
lies between, so the middle between them stands for it, and each comparison comes out the same. The other numbers have
few values by themselves. What is remembered is what the trees answered, bit for bit.

`LGBM_BoosterPredictForMatSingleRowFast` and the scratch buffers here are not re-entrant: one thread at a time.
"""

import ctypes
import math
import weakref
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from struct import Struct
from typing import Any, Final

REMEMBERED: Final = 8192
"""So many different rows are kept with their answer: packed, at 12 classes about 4 MB once it is full."""
_DOUBTFUL: Final = 1e-9
"""Relative: LightGBM reads the text of a split point to within a few units in the last place."""
_RAW_SCORE: Final = 1
_FLOAT64: Final = 1
_CATEGORICAL: Final = 1
_MISSING: Final = 3
_ZERO_IS_MISSING: Final = 1
_LINES: Final = ("split_feature", "threshold", "decision_type")


class TreesError(ValueError):
    """A text that holds no trees, or other trees than wanted. The message is one line."""


class FastTrees:
    """Grown trees of several classes."""

    def __init__(self, model: str, *, classes: int, numbers: int) -> None:
        """Read LightGBM's text format. Raises TreesError."""
        walk = _Walk(model, classes=classes, numbers=numbers)
        self._splits = _first_splits(model)
        self._middles = _middles(self._splits)
        self._pack = Struct(f"{numbers}d").pack
        self._remembered = lru_cache(REMEMBERED)(walk)

    def corrections(self, numbers: Sequence[float]) -> Sequence[float]:
        """Answer what the trees add, one number a class: from memory, where they have answered such a row before."""
        first, *others = numbers
        return self._remembered(self._pack(self._stand_in(first), *others))

    def _stand_in(self, number: float) -> float:
        """Answer the number that stands for all between the same two split points.

        A number that lies as near to a split point as LightGBM's own reading of its text may be off stands for itself.
        """
        place = bisect_left(self._splits, number)
        for split in self._splits[max(place - 1, 0) : place + 1]:
            # Turned round, so that NaN stands for itself as well.
            if not abs(number - split) > _DOUBTFUL * abs(split):
                return number
        return self._middles[place] if self._middles else number


class _Walk:
    """The trees themselves, and the scratch buffers of one row."""

    def __init__(self, model: str, *, classes: int, numbers: int) -> None:
        library = _library()
        booster, iterations = ctypes.c_void_p(), ctypes.c_int()
        _check(library.LGBM_BoosterLoadModelFromString(model.encode(), ctypes.byref(iterations), ctypes.byref(booster)))
        weakref.finalize(self, library.LGBM_BoosterFree, booster)
        found, wanted = ctypes.c_int(), ctypes.c_int()
        _check(library.LGBM_BoosterGetNumClasses(booster, ctypes.byref(found)))
        _check(library.LGBM_BoosterGetNumFeature(booster, ctypes.byref(wanted)))
        if (found.value, wanted.value) != (classes, numbers):
            raise TreesError(
                f"trees of {found.value} classes over {wanted.value} numbers; wanted are {classes} over {numbers}"
            )
        config = ctypes.c_void_p()
        _check(
            library.LGBM_BoosterPredictForMatSingleRowFastInit(
                booster, _RAW_SCORE, 0, -1, _FLOAT64, numbers, b"num_threads=1", ctypes.byref(config)
            )
        )
        weakref.finalize(self, library.LGBM_FastConfigFree, config)
        self._row, self._out = (ctypes.c_double * numbers)(), (ctypes.c_double * classes)()
        self._into_row, self._from_out = memoryview(self._row).cast("B"), memoryview(self._out).cast("B")
        self._ask = library.LGBM_BoosterPredictForMatSingleRowFast
        self._arguments = (
            config,
            ctypes.cast(self._row, ctypes.c_void_p),
            ctypes.pointer(ctypes.c_int64()),
            ctypes.cast(self._out, ctypes.c_void_p),
        )

    def __call__(self, row: bytes) -> Sequence[float]:
        self._into_row[:] = row
        _check(self._ask(*self._arguments))
        return array("d", self._from_out.tobytes())


def _middles(splits: Sequence[float]) -> tuple[float, ...]:
    """Answer a number of each stretch that the split points make, from before the first to after the last."""
    if not splits:
        return ()
    between = (low + (high - low) / 2 for low, high in pairwise(splits))
    return (-math.inf, *between, math.inf)


def _first_splits(model: str) -> tuple[float, ...]:
    """Answer all points at which the first number is split, in order; none if it is not only split by `<=`."""
    # Line by line: one search through the whole text would keep the interpreter's lock for 10 ms.
    values: dict[str, list[str]] = {name: [] for name in _LINES}
    for line in model.split("\n"):
        name, _, value = line.partition("=")
        if name in values:
            values[name] += value.split()
    features, thresholds, kinds = values.values()
    if not len(features) == len(thresholds) == len(kinds):
        return ()
    of_first = [
        (float(threshold), int(kind))
        for feature, threshold, kind in zip(features, thresholds, kinds, strict=True)
        if feature == "0"
    ]
    if any(kind & _CATEGORICAL or (kind >> 2) & _MISSING == _ZERO_IS_MISSING for _, kind in of_first):
        return ()
    return tuple(sorted({threshold for threshold, _ in of_first}))


@cache
def _library() -> Any:
    # Found, not imported: the package would bring scipy, and scikit-learn and pandas where they are installed.
    package = find_spec("lightgbm")
    if package is None or package.origin is None:
        raise ImportError("lightgbm is not installed")
    library = ctypes.CDLL(str(Path(package.origin).parent / "lib" / "lib_lightgbm.so"))
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


def _check(status: int) -> None:
    if status:
        told = _library().LGBM_GetLastError().decode(errors="replace")
        raise TreesError(" ".join(told.split())[:200])
