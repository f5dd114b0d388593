"""Registries of runs, read with one set of guarantees by servers and by training.

    reader         what can be read from every registry, and how one is opened by its address
    directory      a registry in a directory: file://
    object_store   a registry in an object store: s3://, gs://, az://, https://
    verification   runs whose files are checked against their manifest, and their signature
    latest         swap_to: let `latest` name another run
    cache          files by their hash, kept on this machine
    errors         what can go wrong, and what object stores report

What is read is bounded before it is read, and hashed before it is opened; nothing is unpickled. A registry that cannot
be reached is distinguished from one that has no such run. The only write is that of `latest`; training writes runs.
"""

from serin_registry.latest import swap_to

__all__ = ["swap_to"]
