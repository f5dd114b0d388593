"""Outside knowledge in training: columns by word, folded into the weights of words."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy.sparse import csr_matrix, hstack

from serin_core.model import manifest
from serin_core.model.encoder import Encoder
from serin_core.model.features import Transaction
from serin_training.data.rows import LabelledTransaction
from serin_training.features.words import Words, merge
from serin_training.lexicon import outside as module
from serin_training.lexicon.outside import MAX_WORDS, Outside, outside
from serin_training.registry.publish import run_files
from serin_training.training import TrainingConfig, train

START = datetime(2025, 1, 1, tzinfo=UTC)
MERCHANTS = {
    "Groceries": ["ALDI NORD", "LIDL", "CARREFOUR MARKET", "TESCO EXPRESS", "EDEKA", "SPAR", "ASDA", "REWE CITY"],
    "Dining": ["BURGER KING", "MCDONALDS", "DOMINOS PIZZA", "SUBWAY", "STARBUCKS", "PIZZA HUT", "KFC", "TIM HORTONS"],
}
UNSEEN = {"Groceries": "WALMART SUPERCENTRE 123", "Dining": "WENDYS 77"}


def rows():
    return [
        LabelledTransaction(
            Transaction(f"t{at}", names[at % len(names)], user_id=f"u{at % 7}", timestamp=START + timedelta(hours=at)),
            at=START + timedelta(hours=at),
            category=label,
        )
        for at in range(600)
        for label, names in [list(MERCHANTS.items())[at // 8 % 2]]
    ]


def trained(**options):
    return train(
        rows(),
        TrainingConfig(
            "run_0123abcd", START + timedelta(days=90), compare_splits=False, learning_curve=False, **options
        ),
    )


@pytest.fixture(scope="module")
def run():
    return trained()


def test_folded_words_score_as_words_and_columns(monkeypatch):
    monkeypatch.setattr(module, "MAX_WORDS", 10**9)
    transactions = [
        Transaction("1", "TRATTORIA DA LUIGI", "lunch with customers"),
        Transaction("2", "SHELL 1029"),
        Transaction("3", "XYZZY PLUGH", "hammer"),
        Transaction("4", ""),
    ]
    corpus = merge([Words.of(transactions)], [None] * 4)
    known = list(range(0, len(corpus.words), 2))
    words = [corpus.words[at] for at in known]
    weights = np.random.default_rng(0).normal(size=(len(words) + outside().columns, 3))
    matrix = hstack([corpus.matrix[:, known], corpus.matrix @ outside().of(corpus.words)], format="csr")
    all_words, folded = outside().fold(words, weights)
    encoder = Encoder(("a", "b", "c"), (), {word: at for at, word in enumerate(all_words)}, folded, np.zeros(3))
    assert len(set(all_words)) == len(all_words) > len(words)
    np.testing.assert_allclose([encoder.scores(one) for one in transactions], matrix @ weights, atol=1e-9)


def test_the_words_that_say_most_about_the_class_are_added(monkeypatch):
    monkeypatch.setattr(module, "MAX_WORDS", 2)
    known = Outside({"m:a": 0, "m:b": 1, "m:c": 2, "m:d": 3}, csr_matrix([[0.1], [-3.0], [2.0], [1.0]]))
    words, weights = known.fold(["m:x", "m:d"], np.array([[1.0, 0.0], [1.0, 0.0], [5.0, -5.0]]))
    assert words == ("m:x", "m:d", "m:b", "m:c")
    np.testing.assert_allclose(weights, [[1, 0], [6, -5], [-15, 15], [10, -10]])


@pytest.mark.parametrize("word", ["m:apotek", "m:boulangerie", "m:farmacia", "m:tankstelle", "m:tim hortons"])
def test_words_of_brands_have_kinds_in_every_language(word):
    assert outside().of([word]).nnz > 0
    assert outside().of(["m:qqxyz"]).nnz == 0


def test_a_brand_that_no_row_has_gets_the_class_of_its_kind(run):
    encoder = run.pipeline.encoder
    for label, merchant in UNSEEN.items():
        assert run.pipeline.classes[int(encoder.scores(Transaction("", merchant)).argmax())] == label
    words = {word for names in MERCHANTS.values() for name in names for word in name.lower().split()}
    assert not {"wendys", "walmart"} & words


def test_a_run_says_how_many_words_come_from_outside_and_has_their_licences(run):
    files = run_files(run)
    assert run.report.outside_words == MAX_WORDS
    assert run.report.outside_words < len(run.pipeline.encoder.places) < run.report.features
    notice = files[manifest.NOTICE].decode()
    assert "name-suggestion-index contributors" in notice
    assert "GRAYPE" in notice
    assert "Public Domain Dedication" in notice
    assert sum(map(len, files.values())) < 20_000_000
    assert manifest.NOTICE not in manifest.SERVING


def test_without_outside_knowledge_a_run_has_words_of_its_rows_only():
    run = trained(outside=False)
    corpus = merge([Words.of([row.transaction for row in rows()])], [row.transaction.user_id for row in rows()])
    assert run.report.outside_words == 0
    assert set(run.pipeline.encoder.places) <= set(corpus.words)
    assert manifest.NOTICE not in run_files(run)


def test_many_rows_need_no_outside_knowledge(monkeypatch):
    monkeypatch.setattr("serin_training.training.SMALL_ROWS", 100)
    assert trained().report.outside_words == 0
