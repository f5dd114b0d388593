"""What two processes must agree on: documents, names, routing rules, pod reports."""
