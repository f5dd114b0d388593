"""Delivery of notifications to the destinations of the operator's configuration."""
