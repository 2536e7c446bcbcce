"""A bucket on a server of S3 that runs on this machine, moto's: where it is expected, and how it is made."""

from pathlib import Path
from typing import Any

import fsspec
import pytest


def expect_s3_at(port: int, cache: Path, patch: pytest.MonkeyPatch) -> None:
    """Set the environment as for a server at a port; checkpoints of what is there are kept in `cache`."""
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "name",
        "AWS_SECRET_ACCESS_KEY": "geheim",
        "AWS_DEFAULT_REGION": "us-east-1",
        "XDG_CACHE_HOME": str(cache),
    }.items():
        patch.setenv(name, value)


def make_bucket() -> Any:
    """Make a bucket named `bucket` on a server that has just started, and return its file system."""
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    store = fsspec.filesystem("s3", use_listings_cache=False)
    store.mkdir("bucket")
    return store
