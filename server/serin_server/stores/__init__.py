"""Where transactions and feedback are kept: nowhere, in one file, or in a shared database."""
