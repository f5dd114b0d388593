"""The rollout decision: gather → **decide** → apply. See decide.py for the whole, transitions.py for the table."""
