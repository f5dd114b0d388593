"""The shell around core that runs in the cluster."""
