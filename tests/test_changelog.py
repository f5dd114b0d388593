"""CHANGELOG.md has one bullet for each subject: another change of the same is merged into its bullet."""

import re
from itertools import combinations
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[1] / "CHANGELOG.md").read_text()
GREATEST_OVERLAP = 0.4
"""Share of words that two bullets may have in common; bullets on different subjects have less than 0.25."""


def bullets(text):
    return [" ".join(bullet.split()) for bullet in re.split(r"^- ", text, flags=re.MULTILINE)[1:]]


def repeated(text):
    """Return the pairs of bullets of a text that are about the same subject."""
    return [pair for pair in combinations(bullets(text), 2) if has_one_subject(*pair)]


def has_one_subject(one, other):
    words, others = (set(re.findall(r"\w+", text.lower())) for text in (one, other))
    overlap = len(words & others) / len(words | others)
    return overlap > GREATEST_OVERLAP or (subject(one) is not None and subject(one) == subject(other))


def subject(bullet):
    """Return the command, field or word that a bullet begins with: what is before a colon, or in backticks."""
    found = re.match(r"`([^`]+)`|([^`:.;]{1,40}):", bullet)
    return None if found is None else found[1] or found[2]


def test_no_two_bullets_are_about_the_same():
    assert len(bullets(TEXT)) > 50
    assert repeated(TEXT) == []


@pytest.mark.parametrize(
    "text",
    [
        "- Pods are named.\n- Counts are read.\n- Pods are named.\n",
        "- `serin lint --config` checks names.\n- `serin lint --config` also checks images, classes and others.\n",
        "- Bake: a run that has passed.\n- Bake: feedback of users who are held back.\n",
        "- A node that stops no longer counts.\n- A node that\n  stops no longer counts at all.\n",
    ],
    ids=["the same", "the same command", "the same subject", "nearly the same"],
)
def test_what_is_repeated_is_found(text):
    assert len(repeated(text)) == 1
