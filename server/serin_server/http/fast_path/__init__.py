"""The suggestion endpoint without FastAPI: deleting this folder changes no behaviour."""
