"""Synthetic transactions for demo, tests and benchmarks."""
