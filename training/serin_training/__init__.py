"""The learning side: from transactions to a published run."""
