"""Counters of one server process and their exposition to Prometheus."""
