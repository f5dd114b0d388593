"""Hints beside Kubernetes' own words."""

import pytest

from serin_core.kubernetes.hints import with_hint, without_repetition

MESSAGES = {
    'deployments.apps "x" is forbidden: exceeded quota: q, requested: count/deployments.apps=1': "raise the quota",
    'pods "x" is forbidden: failed quota: q: must specify limits.cpu for: server': "spec.server.resources",
    'pods "x" is forbidden: violates PodSecurity "restricted:latest": seccompProfile': "label the namespace",
    "unable to validate against any security context constraint: [fsGroup: Invalid]": "SecurityContextConstraint",
    'Internal error occurred: failed calling webhook "a.b": connection refused': "does not respond",
    'admission webhook "validate.kyverno.svc" denied the request: no': "exempt this namespace",
    "denied: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no": "exempt this namespace",
    'pods "x" is forbidden: maximum memory usage per Container is 64Mi, but limit is 1Gi': "LimitRange",
    'services is forbidden: User "system:serviceaccount:a:b" cannot create resource "services"': "rbac.yaml",
    "a pod cannot be placed: 0/3 nodes are available: 3 Insufficient memory.": "add a node",
    '0/1 nodes are available: persistentvolumeclaim "registry" not found.': "claimName",
    "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.": "kubectl describe pvc",
    "MountVolume.SetUp failed: hostPath type check failed: /runs is not a directory": "on the node",
    "Unable to attach or mount volumes: unmounted volumes=[registry]": "slow or not available",
    'MountVolume.SetUp failed for volume "tokens" : secret "tokens" not found': "correct its name in spec",
    'MountVolume.SetUp failed for volume "routing" : configmap "x" not found': "correct its name in spec",
    'ImagePullBackOff: Back-off pulling image "x"': "imagePullSecrets",
    "ErrImageNeverPull": "on every node",
    "InvalidImageName": "correct the image's name in spec.server.image or the operator's configuration",
}


@pytest.mark.parametrize(("message", "hint"), MESSAGES.items(), ids=list(MESSAGES))
def test_each_kind_of_problem_keeps_the_words_of_kubernetes_and_has_one_hint(message, hint):
    found = with_hint(message)
    assert found.startswith(message.rstrip("."))
    assert hint in found
    assert found.count("; ") == message.count("; ") + 1


@pytest.mark.parametrize("message", ["a pod cannot be placed: taints", "pods cannot be made: ", "CrashLoopBackOff"])
def test_what_no_hint_is_known_for_stays_as_it_is(message):
    assert with_hint(message) == message


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('persistentvolumeclaim "r" not found. not found.', 'persistentvolumeclaim "r" not found'),
        ("0/1 nodes are available. preemption: none.", "0/1 nodes are available. preemption: none."),
        ("two\n  lines", "two lines"),
        ("", ""),
    ],
)
def test_a_repeated_end_is_left_out(message, expected):
    assert without_repetition(message) == expected
