"""The suggestion endpoint without FastAPI: a protocol and a decoder that can be deleted without a change in behaviour."""
