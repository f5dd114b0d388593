"""Selectors of custom gates: a metric with label matchers, in the notation of Prometheus 3, and no other PromQL."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field, WithJsonSchema

_PLAIN: Final = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_TEXT: Final = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)"""
_NAME: Final = r"""(?:"[^"\\]+"|'[^'"\\]+'|`[^`"\\]+`)"""
_REST: Final = rf"""(?:[^{{}}"'`]|{_TEXT})*"""
PATTERN: Final = rf"^({_PLAIN}(\{{{_REST}\}})?|\{{\s*{_NAME}\s*(,{_REST})?\}})$"
"""Read alike by Python, by RE2 in the API server, and in a raw string of CEL."""
_MESSAGE: Final = (
    'must be a metric with label matchers and no other PromQL: shop_orders_total{code="200"}, or with the name in '
    'quotes where it has other characters: {"http.server.requests",code="200"}'
)
_MAX: Final = 512


def _is_selector(text: str) -> str:
    if not re.fullmatch(PATTERN, text):
        raise ValueError(_MESSAGE)
    return text


Selector = Annotated[
    str,
    Field(min_length=1, max_length=_MAX),
    AfterValidator(_is_selector),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": _MAX,
            "x-kubernetes-validations": [{"rule": f"self.matches(r'''{PATTERN}''')", "message": _MESSAGE}],
        }
    ),
]


def name_and_matchers(selector: str) -> tuple[str, str]:
    """Return the name of the metric, without quotes, and the label matchers between the braces, "" for none."""
    before, _, inside = selector.partition("{")
    inside = inside.rpartition("}")[0].strip()
    if before:
        return before, inside.rstrip(",").rstrip()
    quoted = re.match(_NAME, inside)
    if quoted is None:
        raise ValueError(_MESSAGE)
    return quoted[0][1:-1], inside[quoted.end() :].strip().strip(",").strip()


def with_matchers(name: str, *matchers: str) -> str:
    """Return a selector for a metric; its name is quoted only where it must be, as Prometheus 2 reads no such names."""
    given = [one for one in matchers if one]
    if re.fullmatch(_PLAIN, name):
        return f"{name}{{{','.join(given)}}}" if given else name
    quoted = f'"{name}"'
    return f"{{{','.join((quoted, *given))}}}"
