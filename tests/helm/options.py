"""Every value of the chart, with where it must be found in what is rendered."""

from helm.dashboard_options import DASHBOARD_OPTIONS
from helm.option import ABSENT, DIGEST, PEER, TO_DNS, Option

OPERATOR = "serin-operator"
POD = "spec.template.spec"
CONTAINER = f"{POD}.containers.0"
AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}]
        }
    }
}
SPREAD = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}
MONITOR = {"enabled": True}


def deployment(path, expected, **values):
    return Option(values, {f"Deployment/{OPERATOR} {path}": expected})


def configuration(key, value):
    return Option({"config": {key: value}}, {f"ConfigMap/{OPERATOR} data.config.{key}": value})


def monitor(path, expected, **values):
    values = {"metrics": {"podMonitor": MONITOR | values}}
    return Option(values, {f"PodMonitor/{OPERATOR} {path}": expected})


def alerts(path, expected, **values):
    values = {"monitoring": {"alerts": MONITOR | values}}
    return Option(values, {f"PrometheusRule/serin {path}": expected})


def dashboards(path, expected, **values):
    values = {"monitoring": {"dashboards": MONITOR | values}}
    return Option(values, {f"ConfigMap/serin-dashboard-rollout {path}": expected})


def allows(path, expected, **values):
    return Option({"networkPolicy": values}, {f"NetworkPolicy/{OPERATOR} {path}": expected})


OPTIONS = {
    "nameOverride": Option(
        {"nameOverride": "models"}, {"Deployment/serin-models-operator metadata.name": "serin-models-operator"}
    ),
    "fullnameOverride": Option(
        {"fullnameOverride": "models"}, {"Service/models-operator metadata.name": "models-operator"}
    ),
    "commonLabels": Option(
        {"commonLabels": {"team": "payments"}},
        {
            f"Deployment/{OPERATOR} metadata.labels.team": "payments",
            f"Deployment/{OPERATOR} spec.template.metadata.labels.team": "payments",
            f"Deployment/{OPERATOR} spec.selector.matchLabels.team": ABSENT,
            "CustomResourceDefinition/suggestionmodels.serin.dev metadata.labels.team": "payments",
        },
    ),
    "enabled": Option({"enabled": False}, {f"Deployment/{OPERATOR} spec.replicas": 2}),
    "global": Option({"global": {"anything": 1}}, {f"Deployment/{OPERATOR} spec.replicas": 2}),
    "image.repository": deployment(
        f"{CONTAINER}.image", "mirror:5000/a/op:0.1.0", image={"repository": "mirror:5000/a/op"}
    ),
    "image.tag": deployment(f"{CONTAINER}.image", "ghcr.io/serin-dev/serin-operator:1.2", image={"tag": "1.2"}),
    "image.digest": deployment(
        f"{CONTAINER}.image", f"ghcr.io/serin-dev/serin-operator@{DIGEST}", image={"tag": "1", "digest": DIGEST}
    ),
    "image.pullPolicy": deployment(f"{CONTAINER}.imagePullPolicy", "Always", image={"pullPolicy": "Always"}),
    "imagePullSecrets": Option(
        {"imagePullSecrets": [{"name": "mirror"}]},
        {
            f"Deployment/{OPERATOR} {POD}.imagePullSecrets": [{"name": "mirror"}],
            f"Pod/{OPERATOR}-test spec.imagePullSecrets": [{"name": "mirror"}],
        },
    ),
    "replicas": Option(
        {"replicas": 1},
        {f"Deployment/{OPERATOR} spec.replicas": 1, f"PodDisruptionBudget/{OPERATOR}": ABSENT},
    ),
    "watchNamespaces": Option(
        {"watchNamespaces": ["serin-system", "default"]},
        {
            f"Role/{OPERATOR} rules.0.resources": ["suggestionmodels"],
            f"RoleBinding/{OPERATOR} roleRef.kind": "Role",
            f"ClusterRole/{OPERATOR}": ABSENT,
            f"ClusterRole/{OPERATOR}-scan": ABSENT,
            f"ClusterRoleBinding/{OPERATOR}": ABSENT,
            f"ConfigMap/{OPERATOR} data.config.namespaces": ["serin-system", "default"],
        },
    ),
    "config.prometheus": Option(
        {"config": {"prometheus": {"default": None, "thanos": {"url": "https://thanos:9090", "timeoutSeconds": 2.5}}}},
        {
            f"ConfigMap/{OPERATOR} data.config.prometheus": {
                "thanos": {"url": "https://thanos:9090", "timeoutSeconds": 2.5}
            }
        },
    ),
    "config.server.image": Option(
        {"config": {"server": {"image": "mirror/server:3"}}},
        {f"ConfigMap/{OPERATOR} data.config.server.image": "mirror/server:3"},
    ),
    "config.server.allowedImagePrefixes": Option(
        {"config": {"server": {"allowedImagePrefixes": ["mirror/"]}}},
        {f"ConfigMap/{OPERATOR} data.config.server.allowedImagePrefixes": ["mirror/"]},
    ),
    "config.port": Option(
        {"config": {"port": 9000}},
        {
            f"ConfigMap/{OPERATOR} data.config.port": 9000,
            f"Deployment/{OPERATOR} {CONTAINER}.ports.0.containerPort": 9000,
            f"Deployment/{OPERATOR} spec.template.metadata.annotations.prometheus\\.io/port": "9000",
            f"Service/{OPERATOR} spec.ports.0.port": 9000,
        },
    ),
    **{
        f"config.server.{name}": Option(
            {"config": {"server": {name: value}}}, {f"ConfigMap/{OPERATOR} data.config.server.{name}": value}
        )
        for name, value in {
            "allowedServiceAccountAnnotations": ["eks.amazonaws.com/role-arn=arn:aws:iam::111122223333:role/serin-"],
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "fsGroup": 2000,
        }.items()
    },
    "config.server.publicKey": Option(
        {"config": {"server": {"publicKey": "-----BEGIN PUBLIC KEY-----\nMCowBQ\n-----END PUBLIC KEY-----\n"}}},
        {
            f"ConfigMap/{OPERATOR} data.config.server.publicKey": (
                "-----BEGIN PUBLIC KEY-----\nMCowBQ\n-----END PUBLIC KEY-----\n"
            )
        },
    ),
    "config.freezes": configuration(
        "freezes", [{"from": "2026-12-20T00:00:00Z", "to": "2027-01-02T00:00:00Z", "reason": "year end"}]
    ),
    "config.monitoring": configuration("monitoring", {"podMonitor": "Always", "labels": {}, "interval": "15s"}),
    "config.monitoring.podMonitor": Option(
        {"config": {"monitoring": {"podMonitor": "Never"}}},
        {
            f"ConfigMap/{OPERATOR} data.config.monitoring.podMonitor": "Never",
            f"ClusterRole/{OPERATOR} rules.7.resources": ["pods"],
        },
    ),
    "config.monitoring.labels": Option(
        {"config": {"monitoring": {"labels": {"release": "kps"}}}},
        {
            f"ConfigMap/{OPERATOR} data.config.monitoring.labels": {"release": "kps"},
            f"ClusterRole/{OPERATOR} rules.7": {
                "apiGroups": ["monitoring.coreos.com"],
                "resources": ["podmonitors"],
                "verbs": ["get", "create", "patch"],
            },
        },
    ),
    "config.leaderElection": configuration(
        "leaderElection", {"enabled": True, "leaseName": f"{OPERATOR}-leader", "leaseDurationSeconds": 30}
    ),
    "config.leaderElection.enabled": Option(
        {"replicas": 1, "config": {"leaderElection": {"enabled": False}}},
        {
            f"Deployment/{OPERATOR} spec.strategy": {"type": "Recreate"},
            f"Role/{OPERATOR}-lease": ABSENT,
            f"RoleBinding/{OPERATOR}-lease": ABSENT,
        },
    ),
    "config.leaderElection.leaseName": Option(
        {"config": {"leaderElection": {"leaseName": "models"}}},
        {
            f"Role/{OPERATOR}-lease rules.1.resourceNames": ["models"],
            f"ConfigMap/{OPERATOR} data.config.leaderElection.leaseName": "models",
        },
    ),
    "config.selector": Option(
        {"config": {"selector": "team in (a,b)"}},
        {
            f"ConfigMap/{OPERATOR} data.config.selector": "team in (a,b)",
            f"ConfigMap/{OPERATOR} data.config.leaderElection.leaseName": f"{OPERATOR}-leader",
        },
    ),
    "config.workers": configuration("workers", 8),
    "config.host": configuration("host", "::"),
    "config.tlsDir": Option(
        {"config": {"tlsDir": "/certificates"}},
        {
            f"ConfigMap/{OPERATOR} data.config.tlsDir": "/certificates",
            f"Deployment/{OPERATOR} {CONTAINER}.readinessProbe.httpGet.scheme": "HTTPS",
        },
    ),
    "tlsSecret": Option(
        {"tlsSecret": "operator-tls", "metrics": {"podMonitor": MONITOR}},
        {
            f"ConfigMap/{OPERATOR} data.config.tlsDir": "/etc/serin/tls",
            f"Deployment/{OPERATOR} {POD}.volumes.2": {"name": "tls", "secret": {"secretName": "operator-tls"}},
            f"Deployment/{OPERATOR} {CONTAINER}.volumeMounts.2": {
                "name": "tls",
                "mountPath": "/etc/serin/tls",
                "readOnly": True,
            },
            **{
                f"Deployment/{OPERATOR} {CONTAINER}.{probe}.httpGet.scheme": "HTTPS"
                for probe in ("startupProbe", "livenessProbe", "readinessProbe")
            },
            f"Deployment/{OPERATOR} spec.template.metadata.annotations.prometheus\\.io/scheme": "https",
            f"PodMonitor/{OPERATOR} spec.podMetricsEndpoints.0.scheme": "https",
        },
    ),
    "metrics.podMonitor.tlsConfig": Option(
        {
            "tlsSecret": "operator-tls",
            "metrics": {"podMonitor": MONITOR | {"tlsConfig": {"insecureSkipVerify": True}}},
        },
        {f"PodMonitor/{OPERATOR} spec.podMetricsEndpoints.0.tlsConfig": {"insecureSkipVerify": True}},
    ),
    "config.jsonLogs": configuration("jsonLogs", value=True),
    "prometheusFiles": Option(
        {
            "prometheusFiles": [{"name": "ca", "configMap": "bundle"}, {"name": "token", "secret": "prometheus-token"}],
            "config": {
                "prometheus": {"default": {"url": "https://prometheus", "caFile": "/etc/serin/prometheus/ca/ca.crt"}}
            },
        },
        {
            f"Deployment/{OPERATOR} {POD}.volumes.2": {"name": "prometheus-ca", "configMap": {"name": "bundle"}},
            f"Deployment/{OPERATOR} {POD}.volumes.3.secret.secretName": "prometheus-token",
            f"Deployment/{OPERATOR} {CONTAINER}.volumeMounts.2": {
                "name": "prometheus-ca",
                "mountPath": "/etc/serin/prometheus/ca",
                "readOnly": True,
            },
        },
    ),
    "config.notifications": configuration("notifications", {"audit": {"cloudEvents": {"url": "https://audit/events"}}}),
    "notificationFiles": Option(
        {
            "notificationFiles": [{"name": "slack", "secret": "slack-webhook"}],
            "config": {"notifications": {"team-ml": {"apprise": {"urlFile": "/etc/serin/notifications/slack/url"}}}},
        },
        {
            f"Deployment/{OPERATOR} {POD}.volumes.2": {
                "name": "notifications-slack",
                "secret": {"secretName": "slack-webhook"},
            },
            f"Deployment/{OPERATOR} {CONTAINER}.volumeMounts.2": {
                "name": "notifications-slack",
                "mountPath": "/etc/serin/notifications/slack",
                "readOnly": True,
            },
        },
    ),
    "config.checks": configuration(
        "checks", {"ci": {"url": "https://ci/serin", "bearerTokenFile": "/etc/serin/checks/ci/token"}}
    ),
    "checkFiles": Option(
        {"checkFiles": [{"name": "ci", "secret": "ci-token"}, {"name": "ca", "configMap": "bundle"}]},
        {
            f"Deployment/{OPERATOR} {POD}.volumes.2": {"name": "check-ci", "secret": {"secretName": "ci-token"}},
            f"Deployment/{OPERATOR} {POD}.volumes.3.configMap.name": "bundle",
            f"Deployment/{OPERATOR} {CONTAINER}.volumeMounts.2": {
                "name": "check-ci",
                "mountPath": "/etc/serin/checks/ci",
                "readOnly": True,
            },
        },
    ),
    "crds.enabled": Option(
        {"crds": {"enabled": False}}, {"CustomResourceDefinition/suggestionmodels.serin.dev": ABSENT}
    ),
    "crds.keep": Option(
        {"crds": {"keep": False}},
        {"CustomResourceDefinition/suggestionmodels.serin.dev metadata.annotations": ABSENT},
    ),
    "rbac.create": Option(
        {"rbac": {"create": False}},
        {
            f"ClusterRole/{OPERATOR}": ABSENT,
            f"ClusterRoleBinding/{OPERATOR}": ABSENT,
            f"ClusterRole/{OPERATOR}-scan": ABSENT,
            f"Role/{OPERATOR}-lease": ABSENT,
            f"Role/{OPERATOR}-routing-key": ABSENT,
            "ClusterRole/serin-view rules.0.verbs": ["get", "list", "watch"],
        },
    ),
    "rbac.aggregateClusterRoles": Option(
        {"rbac": {"aggregateClusterRoles": False}}, {"ClusterRole/serin-view": ABSENT, "ClusterRole/serin-edit": ABSENT}
    ),
    "serviceAccount.create": Option(
        {"serviceAccount": {"create": False}},
        {
            f"ServiceAccount/{OPERATOR}": ABSENT,
            f"Deployment/{OPERATOR} {POD}.serviceAccountName": "default",
            f"ClusterRoleBinding/{OPERATOR} subjects.0.name": "default",
        },
    ),
    "serviceAccount.name": Option(
        {"serviceAccount": {"name": "robot"}},
        {
            "ServiceAccount/robot metadata.name": "robot",
            f"Deployment/{OPERATOR} {POD}.serviceAccountName": "robot",
            f"ClusterRoleBinding/{OPERATOR}-scan subjects.0.name": "robot",
        },
    ),
    "serviceAccount.annotations": Option(
        {"serviceAccount": {"annotations": {"role": "arn:x"}}},
        {f"ServiceAccount/{OPERATOR} metadata.annotations.role": "arn:x"},
    ),
    "deploymentAnnotations": deployment("metadata.annotations.a", "b", deploymentAnnotations={"a": "b"}),
    "podAnnotations": deployment("spec.template.metadata.annotations.a", "b", podAnnotations={"a": "b"}),
    "podLabels": deployment(
        "spec.template.metadata.labels.a", "pod", podLabels={"a": "pod"}, commonLabels={"a": "all"}
    ),
    "resources": deployment(
        f"{CONTAINER}.resources.limits", {"memory": "1Gi", "cpu": 2}, resources={"limits": {"memory": "1Gi", "cpu": 2}}
    ),
    "podSecurityContext": Option(
        {"podSecurityContext": {"runAsUser": 1000, "fsGroup": 1000}},
        {
            f"Deployment/{OPERATOR} {POD}.securityContext.runAsUser": 1000,
            f"Deployment/{OPERATOR} {POD}.securityContext.runAsNonRoot": True,
            f"Pod/{OPERATOR}-test spec.securityContext.fsGroup": 1000,
        },
    ),
    "securityContext": deployment(
        f"{CONTAINER}.securityContext.capabilities", {"drop": ["ALL"]}, securityContext={"privileged": False}
    ),
    "terminationGracePeriodSeconds": deployment(
        f"{POD}.terminationGracePeriodSeconds", 60, terminationGracePeriodSeconds=60
    ),
    "priorityClassName": deployment(
        f"{POD}.priorityClassName", "system-cluster-critical", priorityClassName="system-cluster-critical"
    ),
    "nodeSelector": deployment(f"{POD}.nodeSelector", {"pool": "infra"}, nodeSelector={"pool": "infra"}),
    "tolerations": deployment(
        f"{POD}.tolerations",
        [{"key": "infra", "operator": "Exists"}],
        tolerations=[{"key": "infra", "operator": "Exists"}],
    ),
    "affinity": deployment(f"{POD}.affinity", AFFINITY, affinity=AFFINITY),
    "topologySpreadConstraints": deployment(
        f"{POD}.topologySpreadConstraints", [SPREAD], topologySpreadConstraints=[SPREAD]
    ),
    "extraEnv": deployment(
        f"{CONTAINER}.env.2", {"name": "NO_PROXY", "value": ".svc"}, extraEnv=[{"name": "NO_PROXY", "value": ".svc"}]
    ),
    "extraVolumes": deployment(
        f"{POD}.volumes.2",
        {"name": "cache", "emptyDir": {"sizeLimit": "1Gi"}},
        extraVolumes=[{"name": "cache", "emptyDir": {"sizeLimit": "1Gi"}}],
    ),
    "extraVolumeMounts": deployment(
        f"{CONTAINER}.volumeMounts.2",
        {"name": "cache", "mountPath": "/cache"},
        extraVolumes=[{"name": "cache", "emptyDir": {}}],
        extraVolumeMounts=[{"name": "cache", "mountPath": "/cache"}],
    ),
    "service.annotations": Option(
        {"service": {"annotations": {"a": "b"}}}, {f"Service/{OPERATOR} metadata.annotations.a": "b"}
    ),
    "monitoring.alerts.enabled": alerts("metadata.namespace", "serin-system"),
    "monitoring.alerts.labels": alerts("metadata.labels.release", "kps", labels={"release": "kps"}),
    "monitoring.alerts.modelAgeDays": alerts("metadata.name", "serin", modelAgeDays=30),
    "monitoring.alerts.runbooks": alerts(
        "spec.groups.0.rules.0.annotations.runbook_url",
        "https://wiki/serin#serinrolledback",
        runbooks="https://wiki/serin",
    ),
    "monitoring.dashboards.enabled": dashboards("metadata.labels.grafana_dashboard", "1"),
    "monitoring.dashboards.namespace": dashboards("metadata.namespace", "default", namespace="default"),
    "monitoring.dashboards.labels": dashboards("metadata.labels.board", "yes", labels={"board": "yes"}),
    "monitoring.dashboards.annotations": dashboards(
        "metadata.annotations.grafana_folder", "Serin", annotations={"grafana_folder": "Serin"}
    ),
    "metrics.scrapeAnnotations": deployment(
        "spec.template.metadata.annotations.prometheus\\.io/scrape", ABSENT, metrics={"scrapeAnnotations": False}
    ),
    "metrics.podMonitor.enabled": monitor(
        "spec.podMetricsEndpoints", [{"port": "health", "path": "/metrics", "honorLabels": True}]
    ),
    "metrics.podMonitor.labels": monitor("metadata.labels.release", "kps", labels={"release": "kps"}),
    "metrics.podMonitor.interval": monitor("spec.podMetricsEndpoints.0.interval", "1m", interval="1m"),
    "metrics.podMonitor.scrapeTimeout": monitor("spec.podMetricsEndpoints.0.scrapeTimeout", "5s", scrapeTimeout="5s"),
    "metrics.podMonitor.relabelings": monitor(
        "spec.podMetricsEndpoints.0.relabelings",
        [{"targetLabel": "cluster", "replacement": "eu"}],
        relabelings=[{"targetLabel": "cluster", "replacement": "eu"}],
    ),
    "metrics.podMonitor.metricRelabelings": monitor(
        "spec.podMetricsEndpoints.0.metricRelabelings",
        [{"action": "labeldrop", "regex": "pod"}],
        metricRelabelings=[{"action": "labeldrop", "regex": "pod"}],
    ),
    "networkPolicy.enabled": allows("spec.policyTypes", ["Ingress"], enabled=True),
    "networkPolicy.ingressFrom": allows("spec.ingress.0.from", [PEER], enabled=True, ingressFrom=[PEER]),
    "networkPolicy.egress": allows("spec.egress", [TO_DNS], enabled=True, egress=[TO_DNS]),
    "networkPolicy.serverNamespaces": Option(
        {"networkPolicy": {"serverNamespaces": ["default"]}},
        {
            f"NetworkPolicy/{OPERATOR} metadata.namespace": "default",
            f"NetworkPolicy/{OPERATOR} spec.ingress.0.ports": [{"port": 8080}],
            f"NetworkPolicy/{OPERATOR} spec.podSelector.matchExpressions.0.key": "serin.dev/model",
        },
    ),
    **DASHBOARD_OPTIONS,
}
