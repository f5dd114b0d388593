"""Every value of the dashboard in a cluster, with where it must be found in what is rendered."""

from helm.option import ABSENT, DIGEST, PEER, TO_DNS, Option

NAME = "serin-dashboard"
POD = "spec.template.spec"
CONTAINER = f"{POD}.containers.0"
REPOSITORY = "ghcr.io/serin-dev/serin-dashboard"
KINDS = ("Deployment", "Service", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "NetworkPolicy")
SERVICE = [f"--allowed-host={NAME}{end}" for end in ("", ".serin-system", ".serin-system.svc")]


def of(place, expected, **values):
    """Return the values of an enabled dashboard, and what they render at `Kind path`."""
    kind, _, path = place.partition(" ")
    return Option({"dashboard": {"enabled": True} | values}, {f"{kind}/{NAME} {path}": expected})


def shared(path, expected, **values):
    """Return values that operator and dashboard have together."""
    return Option({"dashboard": {"enabled": True}} | values, {f"Deployment/{NAME} {path}": expected})


DASHBOARD_OPTIONS = {
    "dashboard.enabled": Option({}, {f"{kind}/{NAME}": ABSENT for kind in KINDS}),
    "dashboard.image.repository": of(
        f"Deployment {CONTAINER}.image", "mirror:5000/a/d:0.1.0", image={"repository": "mirror:5000/a/d"}
    ),
    "dashboard.image.tag": of(f"Deployment {CONTAINER}.image", f"{REPOSITORY}:1.2", image={"tag": "1.2"}),
    "dashboard.image.digest": of(f"Deployment {CONTAINER}.image", f"{REPOSITORY}@{DIGEST}", image={"digest": DIGEST}),
    "dashboard.image.pullPolicy": of(
        f"Deployment {CONTAINER}.imagePullPolicy", "Always", image={"pullPolicy": "Always"}
    ),
    "dashboard.replicas": of("Deployment spec.replicas", 2, replicas=2),
    "dashboard.port": Option(
        {"dashboard": {"enabled": True, "port": 9000}},
        {
            f"Deployment/{NAME} {CONTAINER}.args": ["--port=9000", *SERVICE],
            f"Deployment/{NAME} {CONTAINER}.ports.0.containerPort": 9000,
            f"Service/{NAME} spec.ports.0": {"name": "http", "port": 80, "targetPort": "http"},
        },
    ),
    "dashboard.allowedHosts": of(
        f"Deployment {CONTAINER}.args",
        ["--port=8080", *SERVICE, "--allowed-host=serin.example.com"],
        allowedHosts=["serin.example.com"],
    ),
    "dashboard.podsProxy": of(
        "ClusterRole rules.3", {"apiGroups": [""], "resources": ["pods/proxy"], "verbs": ["get"]}, podsProxy=True
    ),
    "dashboard.serviceAccount.create": Option(
        {"dashboard": {"enabled": True, "serviceAccount": {"create": False}}},
        {
            f"ServiceAccount/{NAME}": ABSENT,
            f"Deployment/{NAME} {POD}.serviceAccountName": "default",
            f"ClusterRoleBinding/{NAME} subjects.0.name": "default",
        },
    ),
    "dashboard.serviceAccount.name": Option(
        {"dashboard": {"enabled": True, "serviceAccount": {"name": "viewer"}}},
        {
            "ServiceAccount/viewer metadata.name": "viewer",
            f"Deployment/{NAME} {POD}.serviceAccountName": "viewer",
            f"ClusterRoleBinding/{NAME} subjects.0.name": "viewer",
        },
    ),
    "dashboard.podAnnotations": of("Deployment spec.template.metadata.annotations.a", "b", podAnnotations={"a": "b"}),
    "dashboard.podLabels": of("Deployment spec.template.metadata.labels.a", "b", podLabels={"a": "b"}),
    "dashboard.resources": of(
        f"Deployment {CONTAINER}.resources.limits.memory", "1Gi", resources={"limits": {"memory": "1Gi"}}
    ),
    "dashboard.service.annotations": of("Service metadata.annotations.a", "b", service={"annotations": {"a": "b"}}),
    "dashboard.service.port": of("Service spec.ports.0.port", 8000, service={"port": 8000}),
    "dashboard.networkPolicy.enabled": of("NetworkPolicy metadata", ABSENT, networkPolicy={"enabled": False}),
    "dashboard.networkPolicy.ingressFrom": of(
        "NetworkPolicy spec.ingress",
        [{"ports": [{"port": "http"}], "from": [PEER]}],
        networkPolicy={"ingressFrom": [PEER]},
    ),
    "dashboard.networkPolicy.egress": of("NetworkPolicy spec.egress", [TO_DNS], networkPolicy={"egress": [TO_DNS]}),
    # Values of the whole chart, for the dashboard too.
    "dashboard: watchNamespaces": Option(
        {"dashboard": {"enabled": True}, "watchNamespaces": ["serin-system", "default"]},
        {
            f"Deployment/{NAME} {CONTAINER}.args": [
                "--port=8080",
                "--namespace=serin-system",
                "--namespace=default",
                *SERVICE,
            ],
            f"Role/{NAME} metadata.namespace": "default",
            f"RoleBinding/{NAME} roleRef.kind": "Role",
            f"ClusterRole/{NAME}": ABSENT,
            f"ClusterRoleBinding/{NAME}": ABSENT,
        },
    ),
    "dashboard: rbac.create": Option(
        {"dashboard": {"enabled": True}, "rbac": {"create": False}},
        {
            f"ClusterRole/{NAME}": ABSENT,
            f"ClusterRoleBinding/{NAME}": ABSENT,
            f"ServiceAccount/{NAME} kind": "ServiceAccount",
        },
    ),
    "dashboard: commonLabels": Option(
        {"dashboard": {"enabled": True}, "commonLabels": {"team": "payments"}},
        {
            f"Deployment/{NAME} metadata.labels.team": "payments",
            f"Deployment/{NAME} spec.template.metadata.labels.team": "payments",
            f"Deployment/{NAME} spec.selector.matchLabels.team": ABSENT,
        },
    ),
    "dashboard: imagePullSecrets": shared(
        f"{POD}.imagePullSecrets", [{"name": "mirror"}], imagePullSecrets=[{"name": "mirror"}]
    ),
    "dashboard: priorityClassName": shared(
        f"{POD}.priorityClassName", "system-cluster-critical", priorityClassName="system-cluster-critical"
    ),
    "dashboard: nodeSelector": shared(f"{POD}.nodeSelector", {"pool": "infra"}, nodeSelector={"pool": "infra"}),
    "dashboard: tolerations": shared(
        f"{POD}.tolerations.0.key", "infra", tolerations=[{"key": "infra", "operator": "Exists"}]
    ),
    "dashboard: podSecurityContext": shared(
        f"{POD}.securityContext.runAsUser", 1000, podSecurityContext={"runAsUser": 1000}
    ),
}
