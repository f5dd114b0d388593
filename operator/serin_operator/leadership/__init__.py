"""Which of several operators works: a Lease, as of the controllers of Kubernetes."""
