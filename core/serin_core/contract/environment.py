"""Every environment variable that Serin reads: name, default and meaning.

The operator renders pods with these names, and the server, `serin serve`, training and the command line read them.
Reading and checking the values is the work of each reader.
"""

from dataclasses import dataclass
from typing import Final

from serin_core.contract import names


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable."""

    name: str
    meaning: str
    default: str = ""
    """What an unset or blank variable means; "" where `meaning` says it."""


# Set by the operator on each server pod.
MODEL_NAME: Final = Variable("SERIN_MODEL_NAME", "namespace/name of the SuggestionModel; the label `serin_model`")
UID: Final = Variable("SERIN_UID", "uid of the SuggestionModel; required")
POD: Final = Variable("SERIN_POD", "name of the pod; the host name if unset")
HOST: Final = Variable("SERIN_HOST", "address to listen on; `::` is every address, of IPv4 too", "::")
PORT: Final = Variable("SERIN_PORT", "port to listen on; 0 takes a free one", str(names.SERVER_PORT))
REGISTRY: Final = Variable("SERIN_REGISTRY", "registry of the runs; the one in model.json if unset")
MODEL_DIR: Final = Variable("SERIN_MODEL_DIR", "directory with model.json", names.MODEL_MOUNT)
RULES_DIR: Final = Variable("SERIN_RULES_DIR", "directory with rules.yaml", names.RULES_MOUNT)
ROUTING_DIR: Final = Variable("SERIN_ROUTING_DIR", "directory with routing.json", names.ROUTING_MOUNT)
TOKENS_DIR: Final = Variable("SERIN_TOKENS_DIR", "directory with token, admin-token and event-key", names.TOKENS_MOUNT)
TLS_DIR: Final = Variable("SERIN_TLS_DIR", "directory with tls.crt and tls.key; no TLS if unset")
POD_DIR: Final = Variable("SERIN_POD_DIR", "directory with the pod's annotations (downward API)", names.POD_MOUNT)
STATE_DIR: Final = Variable("SERIN_STATE_DIR", "directory that keeps the highest revision served", names.STATE_MOUNT)
GRACE_SECONDS: Final = Variable("SERIN_GRACE_SECONDS", "seconds to finish requests after SIGTERM, 0 to 3600", "10")
KEEP_ALIVE_SECONDS: Final = Variable(
    "SERIN_KEEP_ALIVE_SECONDS",
    "seconds that an idle connection stays open, 1 to 3600; longer than the load balancer's (AWS 60, Google Cloud 600)",
    "75",
)
PUBLIC_KEY: Final = Variable("SERIN_PUBLIC_KEY", "PEM public keys; a run must be signed by one of them")
ROUTING_KEY: Final = Variable(
    "SERIN_ROUTING_KEY", "PEM public key of the operator; routing sent to the pod must be signed by it; none if unset"
)
STORE_FILE: Final = Variable("SERIN_STORE_FILE", "file with the store's URL; takes precedence over SERIN_STORE")
RETENTION: Final = Variable("SERIN_RETENTION", "days to keep transactions and feedback, like 400d; for ever if unset")
CACHE_DIR: Final = Variable("SERIN_CACHE_DIR", "directory for files of a remote registry", names.CACHE_MOUNT)

# Read by the libraries of the server for connections to object stores.
HTTP_PROXY: Final = Variable("HTTP_PROXY", "proxy for http:// addresses of object stores")
HTTPS_PROXY: Final = Variable("HTTPS_PROXY", "proxy for https:// addresses of object stores")
NO_PROXY: Final = Variable("NO_PROXY", "hosts, domains and networks that are reached without it, separated by commas")
CA_FILE: Final = Variable("SSL_CERT_FILE", "PEM file of certificate authorities, used instead of those of the image")

# Also read by the server, never set by the operator.
STORE: Final = Variable("SERIN_STORE", "none, sqlite:///path or postgresql://user@host/database", "none")
CACHE_BYTES: Final = Variable("SERIN_CACHE_BYTES", "maximum size of the files in SERIN_CACHE_DIR", str(512 << 20))
ALLOW_ANONYMOUS: Final = Variable("SERIN_ALLOW_ANONYMOUS", "true: no token is required where none is mounted", "false")
LOG: Final = Variable("SERIN_LOG", "format of log lines, text or json", "text")
OTLP_ENDPOINT: Final = Variable("OTEL_EXPORTER_OTLP_ENDPOINT", "OpenTelemetry collector; requests are traced if set")

# Read by `serin serve`, which has no operator.
CANARY: Final = Variable("SUGGEST_USE_MODEL_CANARY", "share of users that the latest run serves, like 10%", "0")
SHADOW: Final = Variable("SUGGEST_ENABLE_SHADOW", "compare the run with the rules for all other users", "true")
THRESHOLDS: Final = Variable("SUGGEST_THRESHOLDS_JSON", "confidence by class and `default`, as a JSON object", "{}")
CALIBRATION: Final = Variable("ML_CALIBRATION_ENABLED", "use the calibrated confidence of a run", "true")
CACHE_HOME: Final = Variable("XDG_CACHE_HOME", "parent of the cache for a remote registry; ~/.cache if unset")

# Read by the operator.
POD_NAMESPACE: Final = Variable(
    "POD_NAMESPACE",
    "namespace of the operator; that of KUBECONFIG's current context, or of the service account, if unset",
)
POD_NAME: Final = Variable("POD_NAME", "name of the operator's pod; the host name and a random part if unset")

# Read by training.
DEPLOY_F1: Final = Variable("ML_DEPLOY_THRESHOLD_F1", "minimum macro F1 of a run that is accepted")
DEPLOY_F1_MIN: Final = Variable("ML_DEPLOY_THRESHOLD_F1_MIN", "minimum F1 of each class of a run that is accepted")
SIGNING_KEY: Final = Variable("SERIN_SIGNING_KEY", "file with the private key that signs new runs")

# Read by the command line.
NAMESPACE: Final = Variable("SERIN_NAMESPACE", "namespace where neither --namespace nor the kubeconfig names one")

SERVER: Final = (
    *(MODEL_NAME, UID, POD, HOST, PORT, REGISTRY, MODEL_DIR, RULES_DIR, ROUTING_DIR, TOKENS_DIR, POD_DIR, STATE_DIR),
    TLS_DIR,
    *(GRACE_SECONDS, KEEP_ALIVE_SECONDS, PUBLIC_KEY, ROUTING_KEY, STORE, STORE_FILE, RETENTION, CACHE_DIR, CACHE_BYTES),
    *(ALLOW_ANONYMOUS, LOG, OTLP_ENDPOINT),
)
"""What `serin-server` reads."""
LIBRARIES: Final = (HTTP_PROXY, HTTPS_PROXY, NO_PROXY, CA_FILE)
"""What libraries of the server read."""
SERVE: Final = (CANARY, SHADOW, THRESHOLDS, CALIBRATION, CACHE_HOME)
"""What `serin serve` reads; options give the rest."""
