"""Storage of transactions and feedback: none, one file, or a shared database."""
