"""YAML that people write."""

import pytest
import yaml

from serin_core.yaml_text import load_all_yaml, load_yaml


def test_a_key_that_stands_twice_is_refused_with_both_lines():
    text = "classes:\n  Groceries: [a]\n  Dining: [b]\n  Groceries: [c]\n"
    with pytest.raises(yaml.YAMLError, match=r"^the key 'Groceries' stands on line 2 and again on line 4"):
        load_yaml(text)


@pytest.mark.parametrize("text", ["{a: 1, a: 2}", "- {x: {b: 1, 'b': 1}}", "1: x\n0x1: y"])
def test_it_is_found_at_any_depth_and_however_it_is_written(text):
    with pytest.raises(yaml.YAMLError, match="stands on line"):
        load_yaml(text)


def test_the_second_document_is_checked_too():
    with pytest.raises(yaml.YAMLError, match="'b' stands on line 4 and again on line 5"):
        list(load_all_yaml("a: 1\n---\nc: 3\nb: 1\nb: 2\n"))


def test_what_a_merge_brings_may_be_overridden():
    assert load_yaml("base: &base {a: 1, b: 2}\nmade: {<<: *base, a: 3}")["made"] == {"a": 3, "b": 2}
