"""The Grafana dashboards, made with Grafana's foundation SDK."""
