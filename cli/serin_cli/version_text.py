"""Versions as text, and the version that an operator's Deployment has. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from serin_core.text_tables import table

_UNKNOWN: Final = "unknown"


def operator_of(deployment: Mapping[str, Any]) -> dict[str, Any]:
    """Return place, image, version and pods of an operator, from its Deployment.

    The version is the tag of the image. An image that is named by its digest has that of the Deployment's label.
    """
    metadata, spec = deployment["metadata"], deployment["spec"]
    image = spec["template"]["spec"]["containers"][0]["image"]
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    labelled = (metadata.get("labels") or {}).get("app.kubernetes.io/version")
    ready = (deployment.get("status") or {}).get("readyReplicas", 0)
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "image": image,
        "version": tag or labelled or _UNKNOWN,
        "ready": f"{ready}/{spec.get('replicas', 1)}",
    }


def describe_versions(found: Mapping[str, Any]) -> list[str]:
    """Return the lines of `serin version`."""
    rows = [["client", found["client"], ""]]
    if error := found.get("operatorsUnreadable"):
        rows.append(["operator", _UNKNOWN, f"its Deployment cannot be read: {error}"])
    elif not found.get("operators", [None]):
        rows.append(["operator", "none", "no Deployment has the label app.kubernetes.io/name=serin-operator"])
    for one in found.get("operators", []):
        place = f"{one['namespace']}/{one['name']}, {one['ready']} ready, {one['image']}"
        rows.append(["operator", one["version"], place])
    if "kubernetes" in found:
        rows.append(["kubernetes", found["kubernetes"], ""])
    return [line.rstrip() for line in table(rows)]


def describe_skew(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each operator whose version is known and differs from that of this program."""
    client = found["client"]
    for one in found.get("operators", []):
        known = one["version"].removeprefix("v")
        if known not in (client, _UNKNOWN):
            yield (
                f"client {client} and operator {known} in {one['namespace']} differ; use the version of the operator: "
                f"pip install 'serin[cli]=={known}'"
            )
