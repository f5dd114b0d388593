"""An S3 on loopback."""

from registry.s3 import bucket, endpoint, s3

__all__ = ["bucket", "endpoint", "s3"]
