"""The rollout state machine: decide.py is the entry point, table.py lists the transitions."""
