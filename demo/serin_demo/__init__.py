"""The demo: a rollout that is promoted, and two that are rolled back."""
