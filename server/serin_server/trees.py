"""A run's trees, asked through LightGBM's C API: one row, one thread, nothing allocated on the way.

`LGBM_BoosterPredictForMatSingleRowFast` and the scratch buffers here are not re-entrant: one thread at a time.
"""

import ctypes
import weakref
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np

from serin_core.encoder import Floats

_RAW_SCORE: Final = 1
_FLOAT64: Final = 1


class TreesError(ValueError):
    """A text that holds no trees, or other trees than wanted. The message is one line."""


class FastTrees:
    """Grown trees of several classes."""

    def __init__(self, model: str, *, classes: int, numbers: int) -> None:
        """Read LightGBM's text format. Raises TreesError."""
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
        self._row, self._out = np.zeros(numbers), np.zeros(classes)
        self._written = ctypes.c_int64()
        self._ask = library.LGBM_BoosterPredictForMatSingleRowFast
        self._arguments = (
            config,
            self._row.ctypes.data_as(ctypes.c_void_p),
            ctypes.byref(self._written),
            self._out.ctypes.data_as(ctypes.c_void_p),
        )

    def corrections(self, numbers: Sequence[float]) -> Floats:
        """Answer what the trees add, one number a class. The array is used again by the next call."""
        self._row[:] = numbers
        _check(self._ask(*self._arguments))
        return self._out


@cache
def _library() -> Any:
    library = ctypes.CDLL(str(Path(lightgbm.__file__).parent / "lib" / "lib_lightgbm.so"))
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


def _check(status: int) -> None:
    if status:
        told = _library().LGBM_GetLastError().decode(errors="replace")
        raise TreesError(" ".join(told.split())[:200])
