"""A real run, in a directory and in an S3 on loopback."""

from registry.conftest import bucket, endpoint, files, other_files, registry, s3, write

__all__ = ["bucket", "endpoint", "files", "other_files", "registry", "s3", "write"]
