import re
from pathlib import Path

from serin_core.rollout import ready_reason

ROOT = Path(__file__).parents[3]


def _reasons_of_conditions():
    page = (ROOT / "docs" / "conditions.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| ([A-Z][A-Za-z]+) \|", page, flags=re.MULTILINE))


def test_the_page_on_conditions_lists_every_reason_and_no_other():
    modules = Path(ready_reason.__file__).parent.glob("*.py")
    code = "".join(module.read_text(encoding="utf-8") for module in modules)
    said = set(re.findall(r'(?:ReadyReason|stalled|Hold)\(\s*"([A-Za-z]+)"', code))
    said |= {"InvalidSpec", "InvalidStatus", "AccessRefused"}
    assert _reasons_of_conditions() == said


def test_the_page_on_gitops_lists_the_health_of_every_reason_and_of_no_other():
    listed = _reasons_of_conditions()
    page = (ROOT / "docs" / "gitops.md").read_text(encoding="utf-8")
    table = page.partition("| situation (reason of Ready) |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| ([A-Z][A-Za-z, ]+) \|", table, flags=re.MULTILINE)
    named = [reason for cell in cells for reason in cell.split(", ")]
    assert sorted(named) == sorted(listed)


def test_the_health_check_of_argo_cd_knows_the_reasons_that_it_names():
    lua = (ROOT / "manifests" / "argocd" / "health.lua").read_text(encoding="utf-8")
    tables = re.findall(r"local (?:in_good_order|held) = \{(.*?)\}", lua, flags=re.DOTALL)
    assert len(tables) == 2
    assert set(re.findall(r"(\w+) = true", "".join(tables))) <= _reasons_of_conditions()
