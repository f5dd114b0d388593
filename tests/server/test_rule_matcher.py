"""The automaton answers what the plain search of serin_core.model.keyword_rules answers, remembered or not."""

from hypothesis import given
from hypothesis import strategies as st
from server.fakes import transaction

from serin_core.model.keyword_rules import Rules
from serin_server.rule_matcher import MAX_CACHED_CHARACTERS, KeywordMatcher

RULES = Rules.parse(
    {
        "classes": {
            "Groceries": ["loblaws", "no frills", "frills"],
            "Dining": ["cafe", "caf\u00e9 bar"],
            "Fuel": ["shell"],
        }
    }
)
words = st.sampled_from(["loblaws", "no", "frills", "CAF\u00c9", "bar", "shell", "shellfish", "#12", "*", "x"])
texts = st.lists(words, max_size=6).map(" ".join)


@given(texts, texts)
def test_it_finds_what_the_plain_search_finds(merchant: str, description: str) -> None:
    matcher = KeywordMatcher(RULES)
    bought = transaction(merchant=merchant, description=description)
    assert [matcher.match(bought) for _ in range(2)] == [RULES.match(bought)] * 2


def test_long_descriptions_are_searched_and_not_remembered() -> None:
    matcher = KeywordMatcher(RULES)
    bought = transaction(merchant="", description="x " * MAX_CACHED_CHARACTERS + "shell")
    assert matcher.match(bought) == RULES.match(bought)
    assert matcher._cached.cache_info().currsize == 0
