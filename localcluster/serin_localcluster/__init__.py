"""A Kubernetes cluster on one machine, for the demo, tests and benchmarks only."""
