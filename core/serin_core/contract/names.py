"""Every name that two packages share: keys, labels, annotations, paths, metrics.

Constants only. A name that a single package uses is defined there.
"""

from typing import Final

from serin_core.api import identity

GROUP: Final = identity.GROUP
VERSION: Final = identity.VERSION
KIND: Final = identity.KIND
PLURAL: Final = identity.PLURAL
API_VERSION: Final = f"{GROUP}/{VERSION}"
FIELD_MANAGER: Final = "serin-operator"
EVENTS_API: Final = "events.k8s.io/v1"
MONITORING_API: Final = "monitoring.coreos.com/v1"
"""API of the Prometheus Operator, which a cluster may not have."""

# Prefix of the annotations that are manual requests.
REQUEST_PREFIX: Final = f"request.{GROUP}/"

# Labels and annotations of the objects that the operator creates.
LABEL_MODEL: Final = f"{GROUP}/model"
LABEL_UID: Final = f"{GROUP}/uid"
LABEL_TRIAL_OF: Final = f"{GROUP}/trial-of"
"""On each trial record: the name of its SuggestionModel. Records do not have the labels of children: nothing that
looks for children, or watches them, reads records."""
LABEL_TRIAL: Final = f"{GROUP}/trial"
"""On each trial record: its number."""
ANNOTATION_REVISION: Final = f"{GROUP}/revision"
"""On each pod: the routing revision that the operator announced to it last."""
ANNOTATION_POKE: Final = f"{GROUP}/poke"
"""On each pod: a change makes the kubelet refresh the mounted files."""
ANNOTATION_RUNS: Final = f"{GROUP}/runs"
"""On the pod template: the runs that its pods load, separated by commas."""
ANNOTATION_KEYS: Final = f"{GROUP}/annotations"
"""On the service account: the annotations that spec sets there; without it, a removed one would not be noticed."""
ANNOTATION_SCHEME: Final = "prometheus.io/scheme"
"""On each pod: http or https, for Prometheus and for the operator."""
ANNOTATION_TEMPLATE: Final = f"{GROUP}/template"
"""On the pod template: a hash of everything whose change needs new pods."""

ANNOTATION_SELECTOR: Final = f"{GROUP}/selector"
"""On the Lease of operators: the labels of the SuggestionModels that its holder works on; "" for all."""

ROUTING_KEY: Final = "routing.json"
MODEL_KEY: Final = "model.json"
RECORD_KEY: Final = "trial.json"
RULES_KEY: Final = "rules.yaml"

# Mount paths in a server pod. The process gets each of them in an environment variable.
MODEL_MOUNT: Final = "/etc/serin/model"
ROUTING_MOUNT: Final = "/etc/serin/routing"
RULES_MOUNT: Final = "/etc/serin/rules"
TOKENS_MOUNT: Final = "/etc/serin/tokens"
POD_MOUNT: Final = "/etc/serin/pod"
STATE_MOUNT: Final = "/var/lib/serin"
REGISTRY_MOUNT: Final = "/registry"
CACHE_MOUNT: Final = "/var/cache/serin"
STORE_MOUNT: Final = "/etc/serin/store"
TLS_MOUNT: Final = "/etc/serin/tls"
CA_MOUNT: Final = "/etc/serin/ca"
SERVER_PORT: Final = 8080
SUPERVISION_HEADER: Final = "Serin-Supervises"
"""Header of the operator's status request; its value is the uid of the resource that it watches."""
KNOWN_DIGESTS: Final = "knownDigests"
"""Parameter of the status request: digests of runs, separated by commas, whose quality the caller has already."""

# Labels of a server's series. Their prefix keeps a scrape from overwriting them with a label of the target.
SERIES_MODEL: Final = "serin_model"
SERIES_UID: Final = "serin_uid"
SERIES_POD: Final = "serin_pod"
SERIES_PROCESS: Final = "serin_process"
SERIES_RUN: Final = "serin_run"
SERIES_STAGE: Final = "serin_stage"
SERIES_ARM: Final = "serin_arm"
SERIES_CLASS: Final = "serin_class"
SERIES_FEATURE: Final = "serin_feature"
SERIES_BIN: Final = "serin_bin"
CHECKED_LABELS: Final = frozenset(
    {
        SERIES_RUN,
        SERIES_STAGE,
        SERIES_ARM,
        SERIES_CLASS,
        "accepted",
        "agree",
        "available",
        "outcome",
        "reason",
        "shown",
        "source",
    }
)
"""Labels of the series of a stage: LABEL_CHECK carries each of them with its own name as value."""
ARM_CANARY: Final = "canary"
ARM_CONTROL: Final = "control"

# Metrics of a server, named as in a scrape.
PREDICTIONS: Final = "lm_ml_predictions_total"
CONFIDENT: Final = "serin_confident_predictions_total"
FALLBACK: Final = "lm_ml_fallback_total"
LATENCY: Final = "lm_ml_predict_latency_seconds"
COMPARE: Final = "lm_suggest_compare_total"
REQUESTS: Final = "lm_ml_predict_requests_total"
REQUESTS_ALIAS: Final = "ml_predict_requests_total"
SOURCE: Final = "lm_suggest_source_total"
SOURCE_ALIAS: Final = "suggest_source_total"
FAILURES: Final = "serin_predict_failures_total"
USERS_COMPARE: Final = "serin_users_compare_total"
CLASS_COMPARE: Final = "serin_class_compare_total"
LOW_CONFIDENCE: Final = "serin_low_confidence_total"
FEEDBACK: Final = "serin_feedback_total"
RUN_F1: Final = "serin_run_f1"
RUN_CLASS_SHARE: Final = "serin_run_class_share"
RUN_INPUT_ROWS: Final = "serin_run_input_rows"
INPUTS: Final = "serin_inputs_total"
RUN_LABELS: Final = "serin_run_recalibration_labels"
RUN_CORRECTION: Final = "serin_run_confidence_correction"
RUN_REFUSED: Final = "serin_run_refused"
REVISION: Final = "serin_revision"
LABEL_CHECK: Final = "serin_label_check"
UNSUPERVISED: Final = "serin_unsupervised"
OPERATOR_SILENCE: Final = "serin_operator_silence_seconds"
BREAKER_OPEN: Final = "serin_breaker_open"
