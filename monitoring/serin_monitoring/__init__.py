"""Alerts and dashboards as code: `make monitoring` writes manifests/alerts and manifests/dashboards."""
