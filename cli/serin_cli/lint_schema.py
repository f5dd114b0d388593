"""Errors of a manifest's fields: what is wrong, and what would be right. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from serin_cli.finding import Finding, path_of
from serin_core.api.durations import format_duration
from serin_core.api.registry_volume import NO_VOLUME, lacks_volume
from serin_core.api.spec import MAX_NAME_LENGTH, OBJECT_NAME_PATTERN, SuggestionModelSpec
from serin_core.contract import names
from serin_core.contract.addresses import display_address

_NOT_A_NAME: Final = "not a name: use lower-case letters, digits, - and ."
_LABEL: Final = "not the value of a label: use at most 63 letters, digits, -, _ and ."
_PROXY: Final = "not a proxy: write http://HOST:PORT, and an address with a password into the Secret of secretName"
_NOT_A_GATE: Final = "not a gate name: it begins with a lower-case letter and has letters, digits and - only"
_EXAMPLE_RUN: Final = "as `serin runs list` prints it, for example run_1a2b3c4d_1767225600"
_FORMATS: Final[Mapping[str, str]] = {
    "runID": f"not a run: write its name {_EXAMPLE_RUN}",
    "digest": "not a digest: write sha256: and 64 hexadecimal digits, as `serin runs show` prints it",
    "uri": "not a registry: write a directory like /registry, or s3://, gs://, az:// or https:// without a password",
    "retention": "not a retention: write a number of days, for example 400d",
    "metric": "not a histogram: write a metric with label matchers, without _bucket and no PromQL",
    "cpu": "not a quantity: write for example 100m or 2",
    "memory": "not a quantity: write for example 256Mi or 1Gi",
    "custom.name": _NOT_A_GATE,
    "queries.name": _NOT_A_GATE,
    "checks.name": _NOT_A_GATE,
    "ephemeral-storage": "not a quantity: write for example 500Mi or 2Gi",
    "http": _PROXY,
    "https": _PROXY,
    "noProxy": "not a host, domain or network: write one in each entry, for example .svc or 10.0.0.0/8",
    "from": "not a time of day: write for example 09:00, in quotes",
    "to": "not a time of day: write for example 16:00 or 24:00, in quotes",
    "timeZone": "not a time zone: write an IANA name like Europe/Berlin",
    "key": "not a key of a ConfigMap or Secret: use letters, digits, -, _ and .",
    "labels": _LABEL,
    "nodeSelector": _LABEL,
    "matchLabels": _LABEL,
    "values": _LABEL,
    "value": _LABEL,
}
"""What the text fields with a format must look like, by field, by parent and field, or by the map that they are in."""
_MISSING: Final[Mapping[str, str]] = {
    "runID": f"required; the run to roll out, {_EXAMPLE_RUN}",
    "server": "required; write at least server: {token: {secretName: NAME}}",
    "token": "required; write token: {secretName: NAME}",
}
_TYPES: Final[Mapping[str, str]] = {
    "float": "a number",
    "int": "a whole number",
    "bool": "true or false",
    "string": "text; put it in quotes",
    "tuple": "a list",
    "list": "a list",
    "dict": "a mapping",
    "model": "a mapping",
}
_BOUNDS: Final = {"less_than": "below", "less_than_equal": "at most", "greater_than": "above"} | {
    "greater_than_equal": "at least"
}
_WHOLE: Final = 100
_OLD_GATES: Final = ("gates", "metrics")


def schema_findings(document: Any) -> list[Finding]:
    """Return every error of a document's fields."""
    return checked_spec(document)[1]


def checked_spec(document: Any) -> tuple[SuggestionModelSpec | None, list[Finding]]:
    """Return the spec of a document, None if it cannot be read, and every error of the document's fields."""
    if not isinstance(document, Mapping) or document.get("kind") != names.KIND:
        kind = document.get("kind") if isinstance(document, Mapping) else None
        return None, [Finding("kind", f"expected {names.KIND}, found {kind or 'none'}")]
    found = list(_metadata(document))
    try:
        spec = SuggestionModelSpec.model_validate(document.get("spec") or {})
    except ValidationError as error:
        return None, found + spec_findings(error)
    if lacks_volume(spec.registry.uri, has_volume=spec.registry.volume is not None):
        found.append(Finding("spec.registry.volume", f"required: {NO_VOLUME}"))
    return spec, found


def spec_findings(error: ValidationError) -> list[Finding]:
    """Return every error of a spec."""
    errors = error.errors(include_url=False)
    inner = {one["loc"][:length] for one in errors for length in range(len(one["loc"]))}
    # A list is "too short" where its entries are wrong: the entries are the error.
    return [
        Finding(path_of(("spec", *one["loc"])), _message(one))
        for one in errors
        if one["type"] != "too_short" or one["loc"] not in inner
    ]


def _metadata(document: Mapping[str, Any]) -> Iterator[Finding]:
    if document.get("apiVersion") != names.API_VERSION:
        yield Finding("apiVersion", f"expected {names.API_VERSION}, found {document.get('apiVersion') or 'none'}")
    metadata = document.get("metadata")
    name = str((metadata.get("name") if isinstance(metadata, Mapping) else "") or "")
    if not name:
        yield Finding("metadata.name", "required")
    elif len(name) > MAX_NAME_LENGTH:
        yield Finding(
            "metadata.name", f"{len(name)} characters, at most {MAX_NAME_LENGTH}: other names are made from it"
        )
    elif not re.search(OBJECT_NAME_PATTERN, name):
        yield Finding("metadata.name", f"{name!r} is {_NOT_A_NAME}, and a letter or digit at both ends")


def _message(error: ErrorDetails) -> str:
    """Return an error in plain words, with what would be right."""
    # pydantic reports an invalid key of a mapping at the key, then "[key]".
    field = str(next((part for part in reversed(error["loc"]) if isinstance(part, str) and part != "[key]"), ""))
    return _DESCRIBED.get(error["type"], _wrong_type)(error, field)


def _missing(_error: ErrorDetails, field: str) -> str:
    return _MISSING.get(field, "required")


def _unknown_field(error: ErrorDetails, field: str) -> str:
    if error["loc"] == _OLD_GATES:
        return "unknown field: each built-in gate is a field of its own; `serin convert` rewrites the list"
    return f"unknown field{did_you_mean(field, _fields_beside(error['loc']))}"


def _wrong_format(error: ErrorDetails, field: str) -> str:
    parents = [part for part in error["loc"] if isinstance(part, str) and part != "[key]"][-2:]
    places = (".".join(parents), parents[0], field)
    given = error["input"]
    shown = display_address(given) if "://" in given else given
    return f"{shown!r} is {next((_FORMATS[one] for one in places if one in _FORMATS), _NOT_A_NAME)}"


def _not_a_choice(error: ErrorDetails, _field: str) -> str:
    choices = [choice.strip("'") for choice in str(error["ctx"]["expected"]).replace(" or ", ", ").split(", ")]
    given = error["input"]
    if given is False and "Off" in choices:
        return f'false is not one of {", ".join(choices)}; write "Off" in quotes: YAML reads Off as false'
    return f"{given!r} is not one of {', '.join(choices)}{did_you_mean(str(given), choices)}"


def _out_of_bounds(error: ErrorDetails, _field: str) -> str:
    given, relation, bound = error["input"], _BOUNDS[error["type"]], next(iter(error["ctx"].values()))
    if isinstance(given, timedelta):
        return f"{format_duration(given)} is not {relation} {str(bound).replace(' second', 's')}"
    if bound == 1 and isinstance(given, int | float) and 1 < given <= _WHOLE:
        return f"{given:g} is not {relation} 1; write {given / _WHOLE:.2f} for {given:g} %"
    return f"{given} is not {relation} {bound:g}"


def _broken_rule(error: ErrorDetails, _field: str) -> str:
    return str(error["ctx"]["error"])


def _too_long(error: ErrorDetails, _field: str) -> str:
    unit = "characters" if error["type"].startswith("string") else "entries"
    return f"too long: at most {error['ctx']['max_length']} {unit}"


def _too_short(_error: ErrorDetails, _field: str) -> str:
    return "must not be empty"


def _wrong_type(error: ErrorDetails, _field: str) -> str:
    given, expected = error["input"], _TYPES.get(error["type"].partition("_")[0])
    if expected is None:
        return error["msg"]
    bare = str(given).strip(" %")
    is_number = isinstance(given, str) and bare.replace(".", "", 1).isdigit()
    return f"{given!r} is not {expected}{f'; write {bare} without quotes' if is_number else ''}"


_DESCRIBED: Final[Mapping[str, Callable[[ErrorDetails, str], str]]] = {
    "missing": _missing,
    "extra_forbidden": _unknown_field,
    "string_pattern_mismatch": _wrong_format,
    "literal_error": _not_a_choice,
    "enum": _not_a_choice,
    "value_error": _broken_rule,
    "too_long": _too_long,
    "string_too_long": _too_long,
    "too_short": _too_short,
    "string_too_short": _too_short,
    **dict.fromkeys(_BOUNDS, _out_of_bounds),
}
"""The description of each type of error that pydantic reports; other types are wrong types."""


def did_you_mean(given: str, choices: Iterable[str]) -> str:
    """Return a clause with the choice that is closest to what was given; "" if none is close."""
    close = get_close_matches(given, [str(choice) for choice in choices], n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _fields_beside(location: Iterable[str | int]) -> list[str]:
    """Return the fields that exist where an unknown field was given."""
    model: type[BaseModel] = SuggestionModelSpec
    for part in list(location)[:-1]:
        if isinstance(part, str):
            annotation = next((field.annotation for field in model.model_fields.values() if field.alias == part), None)
            model = next(_models_in(annotation), model)
    return [str(field.alias) for field in model.model_fields.values()]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
