"""The reference pages of the site, made from the sources: the resource, the command line and the HTTP API."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from serin_cli.catalog import SECTIONS
from serin_cli.main import load
from serin_core.api.crd import definition
from serin_server.clock import SystemClock
from serin_server.environment import standalone_mode
from serin_server.http.app import create_api
from serin_server.service import build_service
from serin_server.settings import NoStoreSettings, Settings

Schema = Mapping[str, Any]

LONGEST = 60
"""Characters of a default that is shown in a table; a longer one is described by the text of its field."""


def resource() -> str:
    """Return the page about every field of a SuggestionModel."""
    version = definition()["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]["properties"]
    lines = [
        "# The resource SuggestionModel",
        "",
        "Every field of `serin.dev/v1alpha1`, made from the CustomResourceDefinition. `kubectl explain` prints the",
        "same texts. [Contracts](../contracts.md) describes what the fields promise.",
        "",
    ]
    for root in ("spec", "status"):
        lines += _sections(root, schema[root])
    return "\n".join(lines)


def _sections(path: str, schema: Schema) -> Iterator[str]:
    fields = schema.get("properties")
    if not fields:
        return
    required = schema.get("required", ())
    yield f"{'#' * min(path.count('.') + 2, 4)} {path}\n"
    if "description" in schema:
        yield f"{_escaped(schema['description'])}\n"
    for rule in schema.get("x-kubernetes-validations", ()):
        if "message" in rule:
            yield f"- Refused: {_escaped(rule['message'])}"
    yield "\n| field | type | default | meaning |\n|---|---|---|---|"
    for name, field in fields.items():
        default = "required" if name in required else _default(field)
        yield f"| `{name}` | {_type(field)} | {default} | {_escaped(field.get('description', ''))} |"
    yield ""
    for name, field in fields.items():
        yield from _sections(f"{path}.{name}", field)
        yield from _sections(f"{path}.{name}[]", field.get("items", {}))


def _type(field: Schema) -> str:
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    kind = str(field.get("type", "any"))
    if kind == "array":
        return f"list of {_type(field['items'])}"
    return f"{kind}{_range(field)}"


def _range(field: Schema) -> str:
    if "minimum" not in field or "maximum" not in field:
        return ""
    low = "more than " if field.get("exclusiveMinimum") else ""
    high = "less than " if field.get("exclusiveMaximum") else ""
    return f", {low}{field['minimum']:g} to {high}{field['maximum']:g}"


def _default(field: Schema) -> str:
    if "default" not in field or field["default"] in ({}, []):
        return ""
    value = field["default"]
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`" if len(text) <= LONGEST else ""


def _escaped(text: str) -> str:
    cleaned = " ".join(text.split())
    for character in "<|*[":
        cleaned = cleaned.replace(character, f"\\{character}")
    return cleaned


def command_line() -> str:
    """Return the page with the help of every command, as the program prints it."""
    lines = [
        "# Help of every command",
        "",
        "What `serin COMMAND --help` prints, made from the program. [The command line](../commands.md) describes the",
        "commands in their context.",
        "",
    ]
    for section, commands in SECTIONS.items():
        lines += [f"## {section}", ""]
        for name in commands:
            lines += _help(load(name), f"serin {name}")
    return "\n".join(lines)


def _help(command: click.Command, path: str) -> Iterator[str]:
    context = click.Context(command, info_name=path, max_content_width=100, terminal_width=100)
    yield f"### {path}\n\n```text\n{command.get_help(context)}\n```\n"
    for name, child in getattr(command, "commands", {}).items():
        yield from _help(child, f"{path} {name}")


def http_api() -> str:
    """Return the page about every route of the server, from its OpenAPI document."""
    api = _openapi()
    lines = [
        "# Routes of the server",
        "",
        "Made from the server's OpenAPI document, which a server has at `/openapi.json`.",
        "[The server](../server.md) explains the routes with examples.",
        "",
    ]
    for path, methods in api["paths"].items():
        for method, route in methods.items():
            lines += _route(f"{method.upper()} {path}", route)
    lines += ["## Schemas", ""]
    for name, schema in api.get("components", {}).get("schemas", {}).items():
        lines += _schema(name, schema)
    return "\n".join(lines)


def _route(title: str, route: Schema) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"{_escaped(route.get('description') or route.get('summary', ''))}\n"
    schemes = [name for option in route.get("security", ()) for name in option]
    yield f"Credentials: {', '.join(f'`{name}`' for name in schemes) or 'none'}.\n"
    if route.get("parameters"):
        yield "| parameter | in | type | meaning |\n|---|---|---|---|"
        for one in route["parameters"]:
            kind = _json_type(one.get("schema", {}))
            yield f"| `{one['name']}` | {one['in']} | {kind} | {_escaped(one.get('description', ''))} |"
        yield ""
    for kind, content in route.get("requestBody", {}).get("content", {}).items():
        yield f"Body: `{kind}`, {_json_type(content.get('schema', {}))}.\n"
    yield "| status | body | meaning |\n|---|---|---|"
    for status, response in route["responses"].items():
        bodies = [_json_type(content.get("schema", {})) for content in response.get("content", {}).values()]
        yield f"| {status} | {', '.join(bodies)} | {_escaped(response.get('description', ''))} |"
    yield ""


def _schema(name: str, schema: Schema) -> Iterator[str]:
    yield f"### {name}\n\n{_escaped(schema.get('description', ''))}\n"
    fields = schema.get("properties", {})
    if fields:
        yield "| field | type | default | meaning |\n|---|---|---|---|"
    for key, field in fields.items():
        default = "required" if key in schema.get("required", ()) else _default(field)
        yield f"| `{key}` | {_json_type(field)} | {default} | {_escaped(field.get('description', ''))} |"
    yield ""


def _json_type(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if choices:
        return " or ".join(dict.fromkeys(_json_type(one) for one in choices))
    if schema.get("type") == "array":
        return f"list of {_json_type(schema.get('items', {}))}"
    return _escaped(_type(schema))


def _openapi() -> Schema:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        settings = Settings(
            host="127.0.0.1",
            port=0,
            model="local/registry",
            uid="local",
            pod="local",
            mode=standalone_mode({}, registry=folder),
            store=NoStoreSettings(),
            rules_file=root / "rules.yaml",
            tokens_dir=root,
            allow_anonymous=True,
            grace_seconds=0,
        )
        return create_api(build_service(settings, clock=SystemClock())).openapi()
