"""The server pods: the decision in every request."""
