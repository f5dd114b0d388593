"""Every generated file with its contents. charts/generate.py makes the chart's copies from these."""

from pathlib import Path
from typing import Final

from serin_monitoring import rule_files
from serin_monitoring.dashboards.fleet import fleet
from serin_monitoring.dashboards.operator import operator
from serin_monitoring.dashboards.rollout import rollout
from serin_monitoring.dashboards.server import server

MANIFESTS: Final = Path(__file__).parents[2] / "manifests"
DASHBOARDS: Final = {"rollout": rollout, "fleet": fleet, "operator": operator, "server": server}


def files() -> dict[Path, str]:
    """Return the contents of every generated file."""
    rules = {
        MANIFESTS / "alerts" / "rules.yaml": rule_files.rules(),
        MANIFESTS / "alerts" / "prometheusrule.yaml": rule_files.prometheus_rule(),
    }
    return rules | {MANIFESTS / "dashboards" / f"{name}.json": make() for name, make in DASHBOARDS.items()}
