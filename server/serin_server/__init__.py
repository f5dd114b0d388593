"""The server: it suggests a category for each transaction, by rules or by the runs that routing selects."""
