"""Parsing of what is read, once for each version: most passes find what the pass before has found."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

import yaml
from pydantic import ValidationError

from serin_core.api.base import Json, shortened
from serin_core.api.format_versions import newer_version
from serin_core.api.resource import Resource
from serin_core.api.spec import SuggestionModelSpec
from serin_core.api.status import Status
from serin_core.contract.documents import RoutingDocument, one_line
from serin_core.kubernetes.inputs import RulesMissing, RulesText
from serin_core.model.keyword_rules import Rules, RulesError
from serin_core.yaml_text import load_yaml
from serin_operator.invalid import InvalidObjectError
from serin_operator.object_ref import Key

_MAX_PROBLEM: Final = 500
"""Characters of what is wrong with rules: it is written into a status, and repeats a part of them."""
VersionT = TypeVar("VersionT")
ParsedT = TypeVar("ParsedT")


def parse(live: Json) -> Resource:
    """Parse a SuggestionModel. Raises InvalidObjectError where spec or status do not fit the models."""
    return _resource(live, _spec(live), _status(live))


class _Last(Generic[VersionT, ParsedT]):
    """The last version of each resource's part, parsed. What cannot be parsed is not kept."""

    def __init__(self) -> None:
        self._of: dict[Key, tuple[VersionT, ParsedT]] = {}

    def get(self, key: Key, version: VersionT, parse_it: Callable[[], ParsedT]) -> ParsedT:
        found = self._of.get(key)
        if found is None or found[0] != version:
            found = self._of[key] = version, parse_it()
        return found[1]

    def keep(self, key: Key, version: VersionT, parsed: ParsedT) -> None:
        self._of[key] = version, parsed

    def forget(self, key: Key) -> None:
        self._of.pop(key, None)


class Parser:
    """Parses the objects of all resources, and keeps the last result of each. Results are immutable."""

    def __init__(self) -> None:
        self._specs: _Last[tuple[str, int], SuggestionModelSpec] = _Last()
        self._statuses: _Last[tuple[str, str], Status | None] = _Last()
        self._rules: _Last[str, str] = _Last()
        self._routings: _Last[str, RoutingDocument] = _Last()

    def resource(self, live: Json) -> Resource:
        """Parse a SuggestionModel, see `parse`."""
        metadata = live["metadata"]
        key, uid = Key(metadata["namespace"], metadata["name"]), metadata["uid"]
        spec = self._specs.get(key, (uid, metadata["generation"]), lambda: _spec(live))
        status = self._statuses.get(key, (uid, metadata["resourceVersion"]), lambda: _status(live))
        return _resource(live, spec, status)

    def keep_status(self, live: Json, status: Status) -> None:
        """Keep the status of a SuggestionModel that has exactly what was written for it, so that it is not parsed."""
        metadata = live["metadata"]
        version = metadata["uid"], metadata["resourceVersion"]
        self._statuses.keep(Key(metadata["namespace"], metadata["name"]), version, status)

    def rules(self, key: Key, text: str, place: str) -> RulesText | RulesMissing:
        """Check the rules of a resource, whose text is at `place`."""
        problem = self._rules.get(key, text, lambda: _problem_of_rules(text))
        return RulesMissing(f"{place}: {problem}") if problem else RulesText(text)

    def routing(self, key: Key, text: str) -> RoutingDocument:
        """Parse the routing of a resource. Raises DocumentError."""
        return self._routings.get(key, text, lambda: RoutingDocument.parse(text))

    def forget(self, key: Key) -> None:
        """Drop everything of a resource that is gone."""
        for part in (self._specs, self._statuses, self._rules, self._routings):
            part.forget(key)


def _resource(live: Json, spec: SuggestionModelSpec, status: Status | None) -> Resource:
    metadata = live["metadata"]
    return Resource(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata["generation"],
        resource_version=metadata["resourceVersion"],
        spec=spec,
        status=status,
        annotations=metadata.get("annotations") or {},
    )


def _spec(live: Json) -> SuggestionModelSpec:
    try:
        return SuggestionModelSpec.model_validate(live["spec"])
    except ValidationError as error:
        raise InvalidObjectError("InvalidSpec", f"spec.{one_line(error)}") from None


def _status(live: Json) -> Status | None:
    try:
        return Status.model_validate(live["status"]) if live.get("status") else None
    except ValidationError as error:
        raise InvalidObjectError("InvalidStatus", _problem(error)) from None


def _problem(error: ValidationError) -> str:
    """Return what is wrong with a status, and how it can be decided about again."""
    if newer := newer_version(error):
        return f"{newer}. The pods go on serving what they serve."
    problem = one_line(error).removeprefix("document: ")
    return (
        f"status.{problem}. Another version of the operator or a manual edit wrote it; the pods go on serving what "
        "they serve. Run the version that wrote it, or restore status.operatorState with "
        "`kubectl edit --subresource=status`."
    )


def _problem_of_rules(text: str) -> str:
    """Return what is wrong with rules, "" if nothing is."""
    try:
        Rules.parse(load_yaml(text))
    except (RulesError, yaml.YAMLError) as error:
        return shortened(" ".join(str(error).split()), _MAX_PROBLEM)
    return ""
