"""Registries: where runs are kept.

registry    what every registry can do, and how one is opened by its URI
directory   in a directory: file://
objects     in an object store: s3://, gs://, az://, and https:// to read
files       which files a run has
"""
