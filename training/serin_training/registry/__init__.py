"""Registries: where runs are kept.

registry    what every registry can do, and how one is opened by its URI
directory   in a directory: file://
objects     in an object store: s3://, gs://, az://, and https:// to read
complaints  what object stores complain of, in words
files       which files a run has
keys        keys that sign runs
"""
