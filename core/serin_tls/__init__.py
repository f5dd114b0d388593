"""Serving TLS with a certificate that is exchanged while the process runs; used by the server and the operator."""
