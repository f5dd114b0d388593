import re
from pathlib import Path

from serin_core.rollout import ready_reason

ROOT = Path(__file__).parents[3]


def test_the_page_on_conditions_lists_every_reason_and_no_other():
    modules = Path(ready_reason.__file__).parent.glob("*.py")
    code = "".join(module.read_text(encoding="utf-8") for module in modules)
    said = set(re.findall(r'(?:ReadyReason|stalled|Hold)\(\s*"([A-Za-z]+)"', code))
    said |= {"InvalidSpec", "InvalidStatus", "AccessRefused"}
    page = (ROOT / "docs" / "conditions.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| ([A-Z][A-Za-z]+) \|", page, flags=re.MULTILINE))
    assert listed == said
