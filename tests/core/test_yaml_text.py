"""YAML that users write."""

import tracemalloc

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


def bomb(levels):
    """Return YAML of a few lines whose last value has 9 ** levels parts."""
    lines = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, levels)]
    return "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x]", *lines])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(bomb(9), "aliases .* repeat more than 10000 values", id="a bomb of aliases"),
        pytest.param(
            "a0: &a0 {x: 1}\n"
            + "".join(f"a{n + 1}: &a{n + 1} {{<<: [{', '.join([f'*a{n}'] * 9)}]}}\n" for n in range(9)),
            "aliases .* repeat more than 10000 values",
            id="a bomb of merges",
        ),
        pytest.param("&a [*a]", "contains itself", id="a list in itself"),
        pytest.param("&a {b: [*a]}", "contains itself", id="a mapping in itself"),
        pytest.param("&a {<<: *a}", "contains itself", id="a merge of itself"),
        pytest.param("[" * 100_000, "deeper than 100 levels", id="lists"),
        pytest.param("{a: " * 100_000, "deeper than 100 levels", id="mappings"),
        pytest.param("".join(f"{' ' * depth}a:\n" for depth in range(300)), "deeper than 100 levels", id="blocks"),
        pytest.param("day: 2026-99-99", "type 'timestamp'; quote it", id="no day"),
        pytest.param("2026-99-99: day", "type 'timestamp'; quote it", id="no day as a key"),
        pytest.param(f"a: {'9' * 5000}", "type 'int'", id="a number of 5000 digits"),
        *(pytest.param(f"!!{kind} x", f"type '{kind}'", id=kind) for kind in ("int", "float", "bool", "timestamp")),
        pytest.param("!!int ''", "type 'int'", id="no digit"),
        pytest.param("at: 2026-01-01T00:00:00+99:99", "type 'timestamp'", id="no offset"),
        pytest.param('a: "\\U00110000"', "stands for nothing", id="no character"),
        pytest.param('a: "\\ud800"', "half of a character", id="half a character"),
        pytest.param('"\\ud800": a', "half of a character", id="half a character as a key"),
        pytest.param("!!python/object/apply:os.system ['true']", "could not determine a constructor", id="a call"),
    ],
)
def test_what_would_hang_or_end_a_parser_is_refused(text, problem):
    for read in (load_yaml, lambda given: list(load_all_yaml(given))):
        with pytest.raises(yaml.YAMLError, match=problem):
            read(text)


def test_what_is_refused_needs_no_memory():
    tracemalloc.start()
    with pytest.raises(yaml.YAMLError):
        load_yaml(bomb(12))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


def test_a_few_aliases_are_taken():
    assert load_yaml("steps: &s [1, 2]\nagain: [*s, *s]") == {"steps": [1, 2], "again": [[1, 2], [1, 2]]}
    assert len(load_yaml(f"a: &a x\nb: [{', '.join(['*a'] * 9_999)}]")["b"]) == 9_999
    nested = "a"
    for _ in range(99):
        nested = f"[{nested}]"
    assert load_yaml(nested)
