"""Routes that FastAPI serves."""
