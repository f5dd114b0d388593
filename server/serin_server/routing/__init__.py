"""Routing: the documents of the operator or the latest run of a registry, watched and applied."""
