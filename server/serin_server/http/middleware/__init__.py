"""ASGI middleware: body limit, tracing, and closing of connections while the process drains."""
