"""Films on S3, on a server that keeps them in memory: moto takes seconds to be imported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import fsspec
import pytest
from clips import make_clip
from conftest import only_line, run
from s3_bucket import expect_s3_at, make_bucket

from dreamvideo.media import remote_source, remote_store
from dreamvideo.media.remote_output import publish_elsewhere
from dreamvideo.media.remote_path import RemotePath, media_path

pytestmark = pytest.mark.slow

PLAIN = ["--iterations", "0", "-q"]
PART = 50 << 20  # bytes of a part of an upload, as s3fs has it


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    expect_s3_at(port, tmp_path / "cache", monkeypatch)
    monkeypatch.setattr(remote_source, "_sources", {})
    monkeypatch.setattr(remote_store, "WAIT", 0.0)
    urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()  # a new server has the old buckets
    store = make_bucket()
    yield store
    server.stop()
    fsspec.get_filesystem_class("s3").clear_instance_cache()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    times = [Fraction(n, 25) for n in range(20)]
    return make_clip(tmp_path / "film.mp4", times, size=(32, 32), audio=[("aac", "eng")])


def test_a_film_goes_from_s3_to_s3(bucket: Any, film: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = film.with_name("here.mp4")
    assert run("video", film, "-o", here, *PLAIN) == 0
    bucket.put_file(str(film), "bucket/in/film.mp4")
    assert run("video", "s3://bucket/in/film.mp4", "-o", "s3://bucket/out/film.mp4", *PLAIN) == 0
    assert bucket.find("bucket") == ["bucket/in/film.mp4", "bucket/out/film.mp4"]
    assert bucket.cat_file("bucket/out/film.mp4") == here.read_bytes()
    for source, output, message in (
        ("s3://bucket/none.mp4", "s3://bucket/none_dream.mp4", "s3://bucket/none.mp4: no such file"),
        (film, "s3://nowhere/out.mp4", "s3://nowhere/out.mp4 cannot be written: no such file"),
        (film, "s3://bucket/out/film.mp4", "s3://bucket/out/film.mp4 exists"),
    ):
        assert run("video", source, "-o", output, *PLAIN) == 1
        assert only_line(capsys).startswith(f"dreamvideo: {message}")


def test_a_film_on_s3_that_changes_is_refused(bucket: Any, film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_source, "BLOCK_BYTES", 1 << 10)
    bucket.put_file(str(film), "bucket/film.mp4")
    file = media_path("s3://bucket/film.mp4").open("rb")
    file.read(1)
    bucket.pipe_file("bucket/film.mp4", film.read_bytes()[::-1])
    with pytest.raises(OSError, match="s3://bucket/film.mp4 has changed since it was opened"):
        file.read()


def test_an_upload_in_parts_shows_when_it_is_whole(bucket: Any, tmp_path: Path) -> None:
    big = tmp_path / "big.mp4"
    big.write_bytes(os.urandom(1 << 20) * 2 * (PART >> 20) + b"end")
    path = media_path("s3://bucket/big.mp4")
    assert isinstance(path, RemotePath)
    seen: list[bool] = []
    upload = bucket._call_s3

    async def watched(method: str, *rest: Any, **more: Any) -> Any:
        if method == "upload_part":
            there = await upload("list_objects_v2", Bucket="bucket")
            seen.append(there["KeyCount"] > 0)
        return await upload(method, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(bucket), "_call_s3", lambda self, *rest, **more: watched(*rest, **more))
        publish_elsewhere(big, path, overwrite=False)
    assert seen == [False] * 3
    bucket.invalidate_cache()
    assert bucket.info("bucket/big.mp4")["size"] == big.stat().st_size
    with pytest.raises(FileExistsError):
        publish_elsewhere(big, path, overwrite=False)
