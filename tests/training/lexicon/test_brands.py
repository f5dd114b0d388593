"""Brands of a country by kind of shop, and rules from them."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from serin_core.model.keyword_rules import Rules
from serin_training.commands.main import app
from serin_training.errors import DataError
from serin_training.lexicon.brands import Lexicon, countries, read_classes
from serin_training.lexicon.update import brands

CLASSES = {
    "Groceries": ["shop/supermarket", "shop/convenience"],
    "Dining": ["amenity/cafe", "amenity/fast_food"],
    "Fuel": ["amenity/fuel"],
    "Home": ["shop/furniture", "shop/doityourself"],
}
CANADIAN_KINDS = {kind for kind, _ in Lexicon.of("CA").all_kinds()}
HEADER = "txn_id,user_id,timestamp,merchant,description,amount,channel,category\n"


@pytest.fixture(scope="module")
def canada():
    return Lexicon.of("ca")


@pytest.fixture
def classes(tmp_path):
    path = tmp_path / "classes.yaml"
    path.write_text(yaml.safe_dump(CLASSES, sort_keys=False))
    return path


def run(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_brands_are_those_of_the_country(canada):
    assert "shop/supermarket" in canada.kinds["loblaws"]
    assert "rewe" not in canada.kinds
    assert "shop/supermarket" in Lexicon.of("DE").kinds["rewe"]
    assert {"CA", "DE", "GB", "US"} <= set(countries())


def test_a_word_that_brands_of_other_kinds_have_in_their_names_is_no_keyword(canada):
    assert not {"dollar", "home", "west", "international"} & canada.kinds.keys()
    assert {"staples", "ikea", "walmart"} <= canada.kinds.keys()


def test_a_chain_of_several_kinds_has_the_class_of_its_main_one(canada):
    found = canada.keywords(CLASSES)
    assert {name: found[name] for name in ("loblaws", "esso", "ikea", "tim hortons")} == {
        "loblaws": "Groceries",
        "esso": "Fuel",
        "ikea": "Home",
        "tim hortons": "Dining",
    }
    assert "staples" not in found, "no class has its kind"


def test_all_keywords_of_a_country_are_rules(canada):
    everything = {f"Class {number}": [kind] for number, (kind, _) in enumerate(canada.all_kinds())}
    found = canada.keywords(everything)
    assert set(found) == set(canada.kinds)
    by_class = {label: [name for name, one in found.items() if one == label] for label in set(found.values())}
    assert sum(map(len, Rules.parse({"classes": by_class}).classes.values())) == len(found)


def test_rules_without_any_label(classes, tmp_path):
    out = tmp_path / "rules.yaml"
    found = run("rules", "suggest", "--country", "CA", "--classes", classes, "--out", out)
    assert found.exit_code == 0, found.stderr
    rules = Rules.parse(yaml.safe_load(out.read_text()))
    assert "loblaws" in rules.classes["Groceries"]
    assert found.stderr == f"{sum(map(len, rules.classes.values()))} keywords\n"


def test_labels_decide_where_they_contradict_a_brand(classes, tmp_path):
    data = tmp_path / "transactions.csv"
    rows = [("TIM HORTONS #12", "Coffee")] * 3 + [("ESSO 99", "Fuel"), ("ESSO 99", "Gifts"), ("ESSO 1", "Gifts")]
    rows += [("LOBLAWS 7", "Food")] * 2
    lines = [f"t{number},u,2026-01-01,{name},,1,pos,{label}\n" for number, (name, label) in enumerate(rows)]
    data.write_text(HEADER + "".join(lines))
    found = run("rules", "suggest", "--country", "CA", "--classes", classes, "--data", data)
    assert found.exit_code == 0, found.stderr
    rules = {keyword: label for label, names in yaml.safe_load(found.stdout)["classes"].items() for keyword in names}
    assert rules["tim hortons"] == "Coffee"
    assert "esso" not in rules, "its rows are of several classes"
    assert rules["loblaws"] == "Groceries", "two rows are too few to decide"


def test_kinds_without_a_brand_in_the_country_are_named_as_the_cause(tmp_path):
    path = tmp_path / "classes.yaml"
    elsewhere = sorted({kind for kinds in Lexicon.of("JP").kinds.values() for kind in kinds} - CANADIAN_KINDS)
    path.write_text(yaml.safe_dump({"Others": elsewhere[:3]}))
    found = run("rules", "suggest", "--country", "CA", "--classes", path)
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr == f"serin rules suggest: {path}: no brand of these kinds is known in CA\n"


def test_kinds_are_listed_with_examples():
    found = run("rules", "kinds", "--country", "ca")
    assert found.stdout.splitlines()[0].split() == ["KIND", "BRANDS", "EXAMPLES"]
    assert any(line.startswith("shop/supermarket ") for line in found.stdout.splitlines())
    assert "loblaws" in json.loads(run("rules", "kinds", "--country", "CA", "-o", "json").stdout)["shop/supermarket"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rules", "suggest"], "give --data, or --country and --classes for rules without labels"),
        (["rules", "suggest", "--country", "CA"], "--country and --classes belong together"),
        (["rules", "kinds", "--country", "Canada"], "--country Canada: no brands are known of it; give a code"),
    ],
)
def test_what_is_missing_is_named(arguments, message):
    found = run(*arguments)
    assert (found.exit_code, found.stdout) == (2, "")
    assert message in found.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Groceries: [shop/supermarkt, amenity/fue]", "no kind 'shop/supermarkt' (did you mean shop/supermarket?)"),
        ("Groceries: shop/supermarket", "Groceries: expected a list of kinds, as in Groceries: [shop/supermarket"),
        ("[shop/supermarket]", "expected kinds by class"),
        ("1: [shop/supermarket]", "1 cannot be a class"),
        ("A: [shop/bakery]\nB: [shop/bakery]", "shop/bakery is listed under A and under B; keep one of them"),
        ("A: [shop/bakery]\nA: [shop/shoes]", "the key 'A' stands on line 1 and again on line 2"),
    ],
)
def test_a_file_of_classes_that_is_wrong_is_refused_with_what_would_be_right(canada, tmp_path, text, message):
    path = tmp_path / "classes.yaml"
    path.write_text(text)
    with pytest.raises(DataError) as found:
        canada.check(read_classes(path), str(path))
    assert message in str(found.value)
    assert str(path) in str(found.value)


def test_what_takes_no_cards_and_what_is_of_no_country_is_left_out():
    def item(name, *places, without=(), **tags):
        return {"displayName": name, "locationSet": {"include": list(places), "exclude": list(without)}, "tags": tags}

    index = {
        "nsi": {
            "brands/shop/shoes": {
                "items": [
                    item("Everywhere", "001", without=["fr"], short_name="EV"),
                    item("Québec", "ca-qc.geojson", "us"),
                    item("Somewhere", [1.0, 2.0]),
                ]
            },
            "brands/amenity/atm": {"items": [item("Bank", "001")]},
            "operators/shop/shoes": {"items": [item("Operator", "001")]},
        }
    }
    assert brands(index) == {"shop/shoes": {"everywhere": ["-fr", "001"], "ev": ["-fr", "001"], "quebec": ["ca", "us"]}}
