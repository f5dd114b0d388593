"""A run's trees through LightGBM's C API: one row, one thread, no allocation.

Rows that the trees cannot distinguish share one cached result. The first feature matters only by the two split points
it lies between, so it is replaced by the middle between them, and each comparison has the same result. The other
features have few values anyway. The cached results are those of the trees, bit for bit.

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

from serin_core.model.lightgbm_text import TreesError
from serin_server.runs.cache_size import entries

CACHE_SIZE: Final = 8192
"""Different rows whose result is cached: with 12 classes about 4 MB."""
_TOLERANCE: Final = 1e-9
"""Relative error with which LightGBM may parse the text of a split point."""
_RAW_SCORE: Final = 1
_FLOAT64: Final = 1
_CATEGORICAL: Final = 1
_MISSING: Final = 3
_ZERO_IS_MISSING: Final = 1
_LINES: Final = ("split_feature", "threshold", "decision_type")


class FastTrees:
    """The trees of all classes, with a cache."""

    def __init__(self, model: str, *, classes: int, numbers: int) -> None:
        """Parse LightGBM's text format. Raises TreesError."""
        trees = _Trees(model, classes=classes, numbers=numbers)
        self._splits = _first_splits(model)
        self._middles = _middles(self._splits)
        self._pack = Struct(f"{numbers}d").pack
        self._cached = lru_cache(entries(CACHE_SIZE, classes=classes))(trees)

    def corrections(self, numbers: Sequence[float]) -> Sequence[float]:
        """Return the correction of each class, from the cache if the trees have seen an equivalent row."""
        first, *others = numbers
        return self._cached(self._pack(self._representative(first), *others))

    def _representative(self, number: float) -> float:
        """Return the number that represents all numbers between the same two split points.

        A number within _TOLERANCE of a split point represents only itself.
        """
        place = bisect_left(self._splits, number)
        for split in self._splits[max(place - 1, 0) : place + 1]:
            # Negated, so that NaN represents itself as well.
            if not abs(number - split) > _TOLERANCE * abs(split):
                return number
        return self._middles[place] if self._middles else number


class _Trees:
    """The trees, and the buffers for one row."""

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
                f"trees of {found.value} classes and {wanted.value} features; "
                f"expected {classes} classes and {numbers} features"
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
        self._predict = library.LGBM_BoosterPredictForMatSingleRowFast
        self._arguments = (
            config,
            ctypes.cast(self._row, ctypes.c_void_p),
            ctypes.pointer(ctypes.c_int64()),
            ctypes.cast(self._out, ctypes.c_void_p),
        )

    def __call__(self, row: bytes) -> Sequence[float]:
        self._into_row[:] = row
        _check(self._predict(*self._arguments))
        return array("d", self._from_out.tobytes())


def _middles(splits: Sequence[float]) -> tuple[float, ...]:
    """Return a number of each interval between split points, from before the first to after the last."""
    if not splits:
        return ()
    between = (low + (high - low) / 2 for low, high in pairwise(splits))
    return (-math.inf, *between, math.inf)


def _first_splits(model: str) -> tuple[float, ...]:
    """Return the sorted split points of the first feature; none if a split is not a plain `<=`."""
    # Line by line: one search through the whole text would hold the interpreter lock for 10 ms.
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
    # Located, not imported: the package would import scipy, and scikit-learn and pandas if they are installed.
    package = find_spec("lightgbm")
    if package is None or package.origin is None:
        raise ImportError("lightgbm is not installed")
    library = ctypes.CDLL(str(Path(package.origin).parent / "lib" / "lib_lightgbm.so"))
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


def _check(status: int) -> None:
    if status:
        message = _library().LGBM_GetLastError().decode(errors="replace")
        raise TreesError(" ".join(message.split())[:200])
