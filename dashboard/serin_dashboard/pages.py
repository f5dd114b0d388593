"""HTML of the pages, from templates that escape everything."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup
from starlette.responses import HTMLResponse

from serin_cli.ages import describe_age
from serin_dashboard.store import Store


def render(template: str, **values: Any) -> str:
    """Return the HTML of a template."""
    return _environment().get_template(template).render(**values)


def problem_page(status: int, title: str, message: str, *, back: str = "/") -> HTMLResponse:
    """Return a page that says why a request was not carried out, with a link back."""
    return HTMLResponse(render("problem.html.j2", title=title, message=message, back=back, version=None), status)


@dataclass(frozen=True, slots=True)
class Pages:
    """Renders pages with what all of them show. `clock` returns the time in UTC."""

    store: Store
    scope: str
    """Which namespaces are shown."""
    clock: Callable[[], datetime]

    def page(self, template: str, *, version: int | None = None, events: str = "", **values: Any) -> HTMLResponse:
        """Return a page; one with a version follows the events of its address."""
        common = {"scope": self.scope, "now": self.clock(), "connection": self.store.connection}
        return HTMLResponse(render(template, version=version, events=events, **common, **values))


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("serin_dashboard"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"moment": _moment, "age": _age, "slug": _slug}
    return environment


def _moment(at: datetime | str | None) -> Markup:
    """Return a time element, "" for none. A text that is no time is shown as it is."""
    if not at:
        return Markup()
    found = _time(at)
    if found is None:
        return Markup("{}").format(at)
    shown = found.astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(shown.isoformat(), shown.strftime("%Y-%m-%d %H:%M:%S"))


def _age(at: datetime | str | None, now: datetime) -> str:
    """Return how long ago something was: `3h20m`; "" if that is not known."""
    found = _time(at) if at else None
    return "" if found is None else describe_age(found, now)


def _time(at: datetime | str) -> datetime | None:
    try:
        return datetime.fromisoformat(at) if isinstance(at, str) else at
    except ValueError:
        return None


def _slug(text: str) -> str:
    """Return a text as the name of a class in the stylesheet."""
    return "-".join("".join(one if one.isalnum() else " " for one in text.lower()).split())
