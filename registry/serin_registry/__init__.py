"""Where runs are read from.

source      what every registry can be asked, and how one is opened by its URI
directory   a directory: file://
objects     an object store: s3://, gs://, az://, https://
complaints  what object stores complain of, in words
cache       files by their hash, kept on this machine
"""
