{{/* Name of the chart's objects, without the part that distinguishes them. */}}
{{- define "serin.fullname" -}}
{{- $chart := default .Chart.Name .Values.nameOverride }}
{{- $both := contains $chart .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $chart) }}
{{- default $both .Values.fullnameOverride | trunc 54 | trimSuffix "-" }}
{{- end }}

{{/* Name of the operator's objects. */}}
{{- define "serin.operator" -}}
{{ include "serin.fullname" . }}-operator
{{- end }}

{{- define "serin.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "serin.operator" .) "default") }}
{{- end }}

{{- define "serin.selector" -}}
app.kubernetes.io/name: serin-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "serin.labels" -}}
{{ include "serin.selector" . }}
{{ include "serin.sharedLabels" . }}
{{- end }}

{{/* Labels of all objects, beside those that say what they belong to. */}}
{{- define "serin.sharedLabels" -}}
app.kubernetes.io/part-of: serin
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* An image, from the values of it and the version of the chart: (list .Values.image .Chart.AppVersion). */}}
{{- define "serin.imageOf" -}}
{{- $version := last . }}
{{- with first . }}
{{- .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $version }}{{ end }}
{{- end }}
{{- end }}

{{- define "serin.image" -}}
{{ include "serin.imageOf" (list .Values.image .Chart.AppVersion) }}
{{- end }}

{{/* Name of the dashboard's objects. */}}
{{- define "serin.dashboard" -}}
{{ include "serin.fullname" . }}-dashboard
{{- end }}

{{- define "serin.dashboardServiceAccount" -}}
{{- with .Values.dashboard.serviceAccount }}
{{- .name | default (.create | ternary (include "serin.dashboard" $) "default") }}
{{- end }}
{{- end }}

{{- define "serin.dashboardSelector" -}}
app.kubernetes.io/name: serin-dashboard
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "serin.dashboardLabels" -}}
{{ include "serin.dashboardSelector" . }}
{{ include "serin.sharedLabels" . }}
{{- end }}

{{/* What the dashboard reads, in each namespace that is watched. */}}
{{- define "serin.dashboardRules" -}}
- apiGroups: [serin.dev]
  resources: [suggestionmodels]
  verbs: [list, watch]
# Trial records, among all ConfigMaps of the namespace: a right to list cannot name labels.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [list]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
{{- if .Values.dashboard.podsProxy }}
# The revision that each pod confirms. It opens every port of every pod of the namespace for GET requests.
- apiGroups: [""]
  resources: [pods/proxy]
  verbs: [get]
{{- end }}
{{- end }}

{{- define "serin.dashboardSubjects" -}}
- kind: ServiceAccount
  name: {{ include "serin.dashboardServiceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* Name of the Lease, so that each release has its own. */}}
{{- define "serin.lease" -}}
{{ .Values.config.leaderElection.leaseName | default (printf "%s-leader" (include "serin.operator" .)) }}
{{- end }}

{{/* The operator's configuration file. */}}
{{- define "serin.config" -}}
{{- $config := deepCopy .Values.config }}
{{- if not $config.server.image }}
{{- $_ := set $config.server "image" (printf "ghcr.io/serin-dev/serin-server:%s" .Chart.AppVersion) }}
{{- end }}
{{- $_ := set $config "namespaces" .Values.watchNamespaces }}
{{- $_ := set $config.leaderElection "leaseName" (include "serin.lease" .) }}
{{- $_ := unset $config "tlsDir" }}
{{- with include "serin.tlsDir" . }}
{{- $_ := set $config "tlsDir" . }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{/* Where the certificate of the operator's port is mounted; empty without TLS. */}}
{{- define "serin.tlsDir" -}}
{{- if .Values.tlsSecret }}/etc/serin/tls{{ else }}{{ .Values.config.tlsDir }}{{ end }}
{{- end }}

{{- define "serin.probe" -}}
{{- if include "serin.tlsDir" . }}, scheme: HTTPS{{ end }}
{{- end }}

{{/* Rights in each namespace that is watched. The operator reads no Secret there, and creates no Pod. */}}
{{- define "serin.rules" -}}
# The resource belongs to the user: the operator reads it and writes its status only.
- apiGroups: [serin.dev]
  resources: [suggestionmodels]
  verbs: [get, list, watch]
- apiGroups: [serin.dev]
  resources: [suggestionmodels/status]
  verbs: [patch]
# Objects that the operator creates.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services, serviceaccounts]
  verbs: [get, list, watch, create, patch]
- apiGroups: [apps]
  resources: [deployments]
  # update: to remove additions of others, which an apply does not touch.
  verbs: [get, list, watch, create, patch, update]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch]
# Used with spec.server.autoscaling only.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, create, patch, delete]
{{- if ne .Values.config.monitoring.podMonitor "Never" }}
# Used where the cluster has the Prometheus Operator.
- apiGroups: [monitoring.coreos.com]
  resources: [podmonitors]
  verbs: [get, create, patch]
{{- end }}
# Pods: read them, announce a revision, remove a pod that still serves a run after its rollback.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch, delete]
- apiGroups: [""]
  resources: [pods/eviction]
  verbs: [create]
- apiGroups: [""]
  resources: [events]
  verbs: [list]
# Events of SuggestionModels; patch counts repeated ones.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{- define "serin.subjects" -}}
- kind: ServiceAccount
  name: {{ include "serin.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
