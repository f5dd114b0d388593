"""The suggestion endpoint without FastAPI, several times as fast; see docs/decisions/0050 and 0052.

Nothing outside this folder but `http/app.py` imports it, and without it every request gets the same response.
"""
