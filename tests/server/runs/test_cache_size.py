"""With many classes the caches of a run hold fewer results, so that their memory is bounded."""

import numpy as np
import pytest

from serin_core.model.encoder import Encoder
from serin_server.runs.cache_size import MAX_NUMBERS, entries
from serin_server.runs.model import CACHE_SIZE, Texts


def test_up_to_64_classes_a_cache_holds_as_many_results_as_it_may() -> None:
    assert entries(8192, classes=64) == 8192
    assert entries(4096, classes=12) == 4096


@pytest.mark.parametrize("classes", [65, 300, 2000, 10 * MAX_NUMBERS])
def test_with_more_classes_it_holds_fewer_of_them(classes: int) -> None:
    found = entries(8192, classes=classes)
    assert 1 <= found < 8192
    assert found * classes <= max(MAX_NUMBERS, classes)


def test_a_run_with_two_thousand_classes_forgets_merchants_early() -> None:
    labels = tuple(f"class {number}" for number in range(2000))
    encoder = Encoder(labels, ("card",), {"m:shop": 0}, np.ones((1, 2000)), np.zeros(2000))
    texts = Texts(encoder)
    for number in range(CACHE_SIZE // 8):
        texts.shares(f"shop {number}", "")
    held = texts._merchant.cache_info().currsize  # type: ignore[attr-defined]
    assert held * 2000 <= MAX_NUMBERS
