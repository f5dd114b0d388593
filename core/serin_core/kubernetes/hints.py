"""Hints: what a user can do about a message of Kubernetes, one for each kind of problem, added to its own words."""

import re
from typing import Final

_ASK_ADMISSION: Final = "set in spec what the policy requires, or exempt this namespace from it"
_VOLUME: Final = "the volume is slow or not available: kubectl describe pod"
_HINTS: Final = (
    (r"exceeded quota", "raise the quota or free some of it: kubectl describe resourcequota"),
    (r"failed quota", "set in spec.server.resources what the quota demands"),
    (r"violates PodSecurity", "label the namespace with a level that admits these pods"),
    (
        r"security context constraint",
        "give the pods' ServiceAccount a SecurityContextConstraint that admits them",
    ),
    (r"failed calling webhook", "the webhook does not respond: start it, or exempt this namespace from it"),
    (r"admission webhook .* denied", _ASK_ADMISSION),
    (r"AdmissionPolicy '", _ASK_ADMISSION),
    (r" usage per ", "change spec.server.resources or the LimitRange: kubectl describe limitrange"),
    (r'User ".*" cannot ', "give the operator this right, as in manifests/base/rbac.yaml"),
    (r"Insufficient ", "add a node, or lower spec.server.resources"),
    (r'persistentvolumeclaim ".*" not found', "create the claim, or correct spec.registry.volume.claimName"),
    (
        r"unbound immediate PersistentVolumeClaims|is not bound",
        "the claim has no PersistentVolume: kubectl describe pvc",
    ),
    (r"hostPath type check failed", "create this path on the node"),
    (r"Unable to attach or mount volumes|timed out waiting for the condition|DeadlineExceeded", _VOLUME),
    (r'(?i)secret ".*" not found', "create the Secret, or correct its name in spec"),
    (r'(?i)configmap ".*" not found', "create the ConfigMap, or correct its name in spec"),
    (
        r"(?i)references non-existent (secret|config) key|couldn't find key",
        "the object exists, but lacks this key: add it",
    ),
    (r"no PriorityClass with name", "create the PriorityClass, or correct spec.server.pod.priorityClassName"),
    (r"the registry .* does not exist", "create this directory on the volume, or correct spec.registry.uri"),
    (
        r"ErrImageNeverPull",
        "put the image on every node, or change server.imagePullPolicy in the operator's configuration",
    ),
    (r"InvalidImageName", "correct the image's name in spec.server.image or the operator's configuration"),
    (r"ImagePull", "check the image's name, and spec.server.pod.imagePullSecrets"),
)


def with_hint(message: str) -> str:
    """Return the message with the hint of the first kind that it is of; unchanged if it is of none."""
    hint = next((hint for pattern, hint in _HINTS if re.search(pattern, message)), "")
    return f"{message.rstrip('.')}; {hint}" if hint else message


def without_repetition(message: str) -> str:
    """Return one line without sentences that only repeat the end of the one before: `x not found. not found.`."""
    kept: list[str] = []
    for sentence in " ".join(message.split()).split(". "):
        if not kept or not sentence or not kept[-1].endswith(sentence.rstrip(".")):
            kept.append(sentence)
    return ". ".join(kept)
