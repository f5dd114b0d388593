"""Panels and dashboards with what all of Serin's have in common. Every query names its metric, selector and unit."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as models
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    ValueMap,
    ValueMappingResult,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

OF_MODEL: Final = 'serin_model="$model"'
"""Selector of the series of the SuggestionModel that is chosen, both the operator's and the server's."""
WINDOW: Final = "[$__rate_interval]"
PERCENT: Final = "percent"
SHARE: Final = "percentunit"
RATE: Final = "reqps"
SECONDS: Final = "s"
FULL, HALF, THIRD, QUARTER, SIXTH = 24, 12, 8, 6, 4
"""Widths, in the 24 columns of a dashboard."""
REPEATED: Final = 3
"""Panels beside each other where one is repeated for each value of a variable."""
_SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")


@dataclass(frozen=True, slots=True)
class Query:
    """A query of Prometheus, and the legend of its series. `is_bound`: drawn as a dashed line."""

    expression: str
    legend: str = ""
    is_bound: bool = False


def _targets(panel: Any, queries: Iterable[Query], *, instant: bool, as_table: bool = False) -> Any:
    for letter, query in zip("ABCDEFGH", queries, strict=False):
        target = prometheus.Dataquery().datasource(_SOURCE).expr(query.expression).ref_id(letter)
        target = target.legend_format(query.legend or "__auto")
        target = target.instant() if instant else target.range()
        panel.with_target(target.format(PromQueryFormat.TABLE) if as_table else target)
    return panel


def _common(panel: Any, title: str, description: str, width: int, height: int) -> Any:
    return panel.title(title).description(description).datasource(_SOURCE).span(width).height(height)


def curves(
    title: str,
    *queries: Query,
    description: str,
    unit: str = "short",
    width: int = THIRD,
    stacked: bool = False,
    between: tuple[float, float] | None = None,
    repeat: str = "",
) -> Any:
    """Return a panel with curves over time.

    `between`: the ends of its axis. `repeat`: a variable with a panel for each of its values; the whole row is theirs.
    """
    panel = _targets(timeseries.Panel(), queries, instant=False).unit(unit)
    _common(panel, title, description, width, height=8)
    panel.legend(
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(models.LegendDisplayMode.LIST)
        .placement(models.LegendPlacement.BOTTOM)
    )
    panel.tooltip(common.VizTooltipOptions().mode(models.TooltipDisplayMode.MULTI).sort(models.SortOrder.DESCENDING))
    if between is not None:
        panel.min(between[0]).max(between[1])
    if stacked:
        panel.stacking(common.StackingConfig().mode(models.StackingMode.NORMAL)).fill_opacity(40)
    for letter, query in zip("ABCDEFGH", queries, strict=False):
        if query.is_bound:
            panel.override_by_query(letter, [DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 6]})])
    return panel.repeat(repeat).max_per_row(REPEATED) if repeat else panel


def number(
    title: str,
    query: Query,
    *,
    description: str,
    unit: str = "short",
    width: int = SIXTH,
    as_name: bool = False,
    none: str = "none",
    texts: Mapping[str, tuple[str, str]] | None = None,
) -> Any:
    """Return a panel with the last value of a query, or with `as_name` its legend.

    `none`: shown where it has none. `texts`: text and colour of each value.
    """
    panel = _targets(stat.Panel(), [query], instant=True).unit(unit).no_value(none)
    _common(panel, title, description, width, height=4)
    panel.color_mode(models.BigValueColorMode.VALUE if texts else models.BigValueColorMode.NONE)
    panel.graph_mode(models.BigValueGraphMode.NONE)
    if texts:
        panel.mappings([_mapping(texts)])
    reduced = common.ReduceDataOptions().calcs(["lastNotNull"])
    text_mode = models.BigValueTextMode.NAME if as_name else models.BigValueTextMode.AUTO
    return panel.reduce_options(reduced).text_mode(text_mode)


def timeline(
    title: str, *queries: Query, description: str, texts: Mapping[str, tuple[str, str]], width: int = HALF
) -> Any:
    """Return a panel with a band for each series. `texts`: text and colour of each value."""
    panel = _targets(statetimeline.Panel(), queries, instant=False)
    _common(panel, title, description, width, height=8)
    return panel.mappings([_mapping(texts)]).merge_values(True)


def _mapping(texts: Mapping[str, tuple[str, str]]) -> ValueMap:
    shown = {value: ValueMappingResult(text=text, color=color) for value, (text, color) in texts.items()}
    return ValueMap(options=shown)


def bars(title: str, query: Query, *, description: str, unit: str, between: tuple[float, float], width: int) -> Any:
    """Return a panel with a bar for each series of a query."""
    panel = _targets(bargauge.Panel(), [query], instant=True).unit(unit).min(between[0]).max(between[1])
    _common(panel, title, description, width, height=8)
    reduced = common.ReduceDataOptions().calcs(["lastNotNull"])
    # By default the colours are those of thresholds: green, however poor the value is.
    panel.color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    return panel.orientation(models.VizOrientation.HORIZONTAL).reduce_options(reduced)


def rows_of(
    title: str,
    *queries: Query,
    description: str,
    names: Mapping[str, str],
    units: Mapping[str, str] | None = None,
    width: int = FULL,
) -> Any:
    """Return a table with a row for each set of labels; results of several queries are joined.

    `names`: columns in their order, with what they are called; others are left out. `units` by what they are called.
    """
    panel = _targets(table.Panel(), queries, instant=True, as_table=True).no_value("none")
    _common(panel, title, description, width, height=10)
    if len(queries) > 1:
        panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(
        DataTransformerConfig(
            id_val="organize",
            options={"indexByName": {name: place for place, name in enumerate(names)}, "renameByName": dict(names)},
        )
    )
    panel.with_transformation(
        DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": list(names.values())}})
    )
    for column, unit in (units or {}).items():
        panel.override_by_name(column, [DynamicConfigValue("unit", unit)])
    return panel


def variable(name: str, label: str, query: str, *, is_multiple: bool = False) -> Any:
    """Return a variable with values from Prometheus, chosen by the user."""
    made = dashboard.QueryVariable(name).label(label).datasource(_SOURCE)
    made.query({"query": query, "refId": name}).definition(query)
    made.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
    return made.multi(True).include_all(True) if is_multiple else made


MODEL: Final = variable("model", "SuggestionModel", "label_values(serin_suggestionmodel_info, serin_model)")


def transitions(selector: str, text: str) -> Any:
    """Return annotations of the transitions: the values of the series are their times."""
    name = "serin_suggestionmodel_last_transition_timestamp_seconds"
    expression = f"1000 * max by (serin_model, serin_run, event) ({name}{{{selector}}})"
    made = dashboard.AnnotationQuery().name("Transitions").datasource(_SOURCE).icon_color("blue")
    made.enable(True).use_value_for_time(True)
    return made.expr(expression).step("15s").title_format("{{event}}").text_format(text)


def board(
    uid: str,
    title: str,
    description: str,
    rows: Mapping[str, Iterable[Any]],
    *,
    variables: Iterable[Any] = (),
    annotations: Iterable[Any] = (),
    since: str = "now-24h",
) -> str:
    """Return a dashboard as JSON: `rows` are its panels by the title of their row."""
    made = dashboard.Dashboard(title).uid(uid).description(description).tags(["serin"]).editable()
    made.time(since, "now").refresh("30s").timezone("browser").tooltip(DashboardCursorSync.CROSSHAIR)
    links = dashboard.DashboardLink("Serin").type(DashboardLinkType.DASHBOARDS).tags(["serin"])
    made.link(links.as_dropdown(True).keep_time(True).include_vars(True))
    made.with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    for one in variables:
        made.with_variable(one)
    for one in annotations:
        made.annotation(one)
    number_of = 0
    for row, panels in rows.items():
        number_of += 1
        made.with_row(dashboard.Row(row).id(number_of))
        for panel in panels:
            number_of += 1
            made.with_panel(panel.id(number_of))
    return json.dumps(json.loads(JSONEncoder(sort_keys=True).encode(made.build())), indent=1, sort_keys=True) + "\n"
