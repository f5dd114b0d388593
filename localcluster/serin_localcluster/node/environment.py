"""The arguments and environment of a container's process. Pure.

There are no mount namespaces: each pod has a root directory, and every mountPath at the start of a path in a command,
an argument or an environment value is replaced by its place below that root.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by its value, as Kubernetes does: unknown names stay, `$$` becomes `$`."""

    def replace(found: "re.Match[str]") -> str:
        if found[0] == "$$":
            return "$"
        return variables.get(found[1], found[0])

    return _REFERENCE.sub(replace, text)


def rewrite(text: str, *, root: Path, mounts: Sequence[str]) -> str:
    """Replace every mounted path in a text by its place below the pod's root: longest first, whole path parts only."""
    if not mounts:
        return text
    longest_first = "|".join(re.escape(mount.rstrip("/")) for mount in sorted(mounts, key=len, reverse=True))
    # Not in the middle of another path: neither preceded by a path character nor continued by one.
    pattern = re.compile(rf"(?<![\w./-])(?P<slashes>//)?(?P<mount>{longest_first})(?![\w.-])")
    return pattern.sub(lambda found: f"{found['slashes'] or ''}{root}{found['mount']}", text)


def field(path: str, pod: Mapping[str, object], *, address: str) -> str:
    """Return a downward-API field of a pod. Raises KeyError for a field that is not supported."""
    metadata, spec = pod["metadata"], pod["spec"]
    if not isinstance(metadata, Mapping) or not isinstance(spec, Mapping):
        raise KeyError(path)
    found = re.fullmatch(r"metadata\.(annotations|labels)\['(.+)'\]", path)
    if found is not None:
        return str((metadata.get(found[1]) or {}).get(found[2], ""))
    match path:
        case "metadata.annotations" | "metadata.labels":
            return pairs(metadata.get(path.split(".")[1]) or {})
        case "metadata.name" | "metadata.namespace" | "metadata.uid":
            return str(metadata[path.split(".")[1]])
        case "spec.nodeName" | "spec.serviceAccountName":
            return str(spec.get(path.split(".")[1], ""))
        case "status.podIP" | "status.podIPs":
            return address
        case "status.hostIP":
            return address.rsplit(".", 1)[0] + ".1"
        case _:
            raise KeyError(path)


def pairs(found: Mapping[str, str]) -> str:
    """Write labels or annotations as the kubelet does: `key="escaped value"`, sorted, one per line."""
    lines = []
    for key, value in sorted(found.items()):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'{key}="{escaped}"')
    return "\n".join(lines)
