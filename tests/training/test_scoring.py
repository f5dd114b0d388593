"""Scores of predictions."""

from serin_training.scoring import MIN_ROWS, score


def answers(*parts):
    """Return scores of (predicted, true, how many) parts, each prediction with a confidence of 0.9."""
    rows = [(label, wanted) for label, wanted, count in parts for _ in range(count)]
    return score([(label, 0.9) for label, _ in rows], [wanted for _, wanted in rows])


def test_f1_of_a_class_is_the_harmonic_mean_of_precision_and_recall():
    scores = answers(("Dining", "Dining", 60), ("Dining", "Groceries", 20), ("Groceries", "Groceries", 40))
    precision, recall = 60 / 80, 1.0
    assert scores.f1["Dining"] == 2 * precision * recall / (precision + recall)


def test_a_class_of_few_rows_counts_in_the_mean_but_is_not_the_worst():
    scores = answers(
        ("Dining", "Dining", 50),
        ("Groceries", "Groceries", 40),
        ("Dining", "Groceries", 10),
        ("Dining", "Postage", MIN_ROWS - 1),
    )
    assert scores.f1["Postage"] == 0
    assert scores.worst == "Dining"
    assert scores.f1_macro == sum(scores.f1.values()) / 3


def test_a_class_of_enough_rows_is_the_worst_when_its_f1_is_least():
    scores = answers(("Dining", "Dining", 50), ("Dining", "Postage", MIN_ROWS))
    assert (scores.worst, scores.f1_min) == ("Postage", 0)


def test_where_every_class_is_rare_all_of_them_count():
    scores = answers(("Dining", "Dining", 5), ("Dining", "Postage", 2))
    assert scores.worst == "Postage"


def test_a_class_that_is_answered_but_never_wanted_has_coverage_but_no_f1():
    scores = answers(("Dining", "Groceries", 5), ("Groceries", "Groceries", 5))
    assert "Dining" not in scores.f1
    assert scores.coverage_by_class["Dining"].by_threshold["0.90"].precision == 0


def test_coverage_counts_the_answers_at_or_above_each_threshold():
    scores = score([("Dining", 0.6), ("Dining", 0.8)], ["Groceries", "Dining"])
    assert (scores.coverage["0.60"].coverage, scores.coverage["0.60"].precision) == (1.0, 0.5)
    assert (scores.coverage["0.65"].coverage, scores.coverage["0.65"].precision) == (0.5, 1.0)
    assert (scores.coverage["0.99"].coverage, scores.coverage["0.99"].precision) == (0.0, 0.0)
