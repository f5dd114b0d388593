"""Runs that this process loads: validation, prediction, circuit breaker, reload."""
