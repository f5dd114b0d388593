"""The page at /docs: the OpenAPI document as HTML, without scripts and without requests to other hosts.

See docs/decisions/0151.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any, Final

from serin_server.http.problems import TITLES

_STYLE: Final = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5 }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
section { border-top: 1px solid #8886; margin-top: 2rem }
code, pre { font-family: ui-monospace, monospace; font-size: .9em }
pre { overflow-x: auto; padding: .75rem; background: #8882; border-radius: .25rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8883 }
"""
_POLICY: Final = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)
HEADERS: Final[Mapping[str, str]] = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
"""Headers of the page: a browser loads and runs nothing but its style."""
_TOKENS: Final = {"token": "$TOKEN", "adminToken": "$ADMIN_TOKEN"}
_LIMITS: Final = (
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {} entries"),
    ("maxItems", "at most {} entries"),
)

Json = Mapping[str, Any]


def reference_page(document: Json) -> str:
    """Return the page for an OpenAPI document."""
    info = document["info"]
    title = escape(f"{info['title']} {info['version']}")
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}: HTTP API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{title}: HTTP API</h1><p>{escape(info['summary'])} "
        'The same as an <a href="openapi.json">OpenAPI document</a>.</p>'
        f'<ul>{"".join(_link(*one) for one in operations)}</ul><p><a href="#errors">Errors</a></p>'
        f"{''.join(_section(document, *one) for one in operations)}"
        f"{_errors(document)}</body></html>"
    )


def _link(path: str, method: str, operation: Json) -> str:
    return f'<li><a href="#{_anchor(operation)}"><code>{method.upper()} {escape(path)}</code></a></li>'


def _anchor(operation: Json) -> str:
    return escape(operation["operationId"])


def _section(document: Json, path: str, method: str, operation: Json) -> str:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    parts = [
        f'<section id="{_anchor(operation)}"><h2>{escape(operation["summary"])}</h2>',
        f"<p><code>{method.upper()} {escape(path)}</code></p>{_paragraphs(operation['description'])}",
        f"<p>Token: {_token(document, operation)}</p>",
        _parameters(operation.get("parameters", ())),
    ]
    if body is not None:
        parts.append(f"<h3>Request</h3>{_fields(document, body)}")
    parts.extend(_example(document, path, method, operation, body))
    parts.append(_responses(document, operation["responses"]))
    return "".join(parts) + "</section>"


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(' '.join(part.split()))}</p>" for part in text.split("\n\n"))


def _scheme(operation: Json) -> str | None:
    return next((name for one in operation.get("security", ()) for name in one), None)


def _token(document: Json, operation: Json) -> str:
    scheme = _scheme(operation)
    if scheme is None:
        return "none"
    return f"<b>{escape(scheme)}</b>. {escape(document['components']['securitySchemes'][scheme]['description'])}"


def _parameters(parameters: Iterable[Json]) -> str:
    rows = [(one["name"], one["in"], _limits(one["schema"]), one.get("description", "")) for one in parameters]
    return f"<h3>Parameters</h3>{_table(('parameter', 'in', 'type', 'description'), rows)}" if rows else ""


def _fields(document: Json, schema: Json) -> str:
    """Return one table for each object in a schema, the outermost first."""
    tables = []
    for name, found in _objects(document, schema):
        required = found.get("required", ())
        rows = [
            (field, "yes" if field in required else "no", _limits(of_field), of_field.get("description", ""))
            for field, of_field in found["properties"].items()
        ]
        description = escape(found.get("description", ""))
        tables.append(f"<p><b>{escape(name)}</b>: {description}</p>")
        tables.append(_table(("field", "required", "type", "description"), rows))
    return "".join(tables)


def _objects(document: Json, schema: Any) -> Iterator[tuple[str, Json]]:
    """Yield the objects that a schema refers to, with their names, each before those in it."""
    if isinstance(schema, list):
        for one in schema:
            yield from _objects(document, one)
    elif isinstance(schema, dict) and "$ref" in schema:
        name = _name(schema)
        found = document["components"]["schemas"][name]
        if "properties" in found:
            yield name, found
            yield from _objects(document, list(found["properties"].values()))
    elif isinstance(schema, dict):
        for key in ("items", "anyOf", "allOf"):
            yield from _objects(document, schema.get(key))


def _name(schema: Json) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _limits(schema: Json) -> str:
    """Return the type of a field in words, with its limits."""
    if "anyOf" in schema:
        return " or ".join(_limits(one) for one in schema["anyOf"])
    if "$ref" in schema:
        return _name(schema)
    values = schema.get("enum", [schema["const"]] if "const" in schema else ())
    if values:
        return ", ".join(json.dumps(value) for value in values)
    kind = f"list of {_limits(schema['items'])}" if "items" in schema else schema.get("format", schema.get("type", ""))
    return ", ".join([kind, *(words.format(schema[key]) for key, words in _LIMITS if schema.get(key, 0) > 1)])


def _example(document: Json, path: str, method: str, operation: Json, body: Json | None) -> Iterator[str]:
    """Yield the request as a command, if the document has an example of its body or if it needs none."""
    scheme = _scheme(operation)
    words = [f"curl http://HOST{path}"] if method == "get" else [f"curl -X {method.upper()} http://HOST{path}"]
    if scheme is not None:
        words.append(f'-H "Authorization: Bearer {_TOKENS[scheme]}"')
    if body is not None:
        example = _first_example(document, body)
        if example is None:
            return
        words += ["-H 'Content-Type: application/json'", f"-d '{json.dumps(example, indent=2)}'"]
    yield f"<pre>{escape((' ' + chr(92) + chr(10) + '  ').join(words))}</pre>"


def _first_example(document: Json, schema: Json) -> Any:
    found = document["components"]["schemas"][_name(schema)] if "$ref" in schema else schema
    return next(iter(found.get("examples", ())), None)


def _responses(document: Json, responses: Json) -> str:
    rows = [(status, response["description"]) for status, response in responses.items()]
    schema = responses["200"].get("content", {}).get("application/json", {}).get("schema", {})
    example = _first_example(document, schema)
    shown = "" if example is None else f"<pre>{escape(json.dumps(example, indent=2))}</pre>"
    return f"<h3>Response</h3>{_fields(document, schema)}{shown}{_table(('status', 'meaning'), rows)}"


def _errors(document: Json) -> str:
    rows = [(code.value, title) for code, title in TITLES.items()]
    fields = _fields(document, {"$ref": "#/components/schemas/Problem"})
    return (
        '<section id="errors"><h2>Errors</h2>'
        "<p>Every error is a problem detail (RFC 9457) of the type <code>application/problem+json</code>.</p>"
        f"{fields}<h3>Codes</h3>{_table(('code', 'title'), rows)}</section>"
    )


def _table(head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    titles = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = "".join(
        f"<tr><td><code>{escape(first)}</code></td>{''.join(f'<td>{escape(text)}</td>' for text in others)}</tr>"
        for first, *others in rows
    )
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>"
