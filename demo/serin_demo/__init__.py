"""The demo: one rollout that ends well, and two that must not."""
