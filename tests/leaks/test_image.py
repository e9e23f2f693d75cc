"""A key is found in every kind of image and layer, also when a later layer deletes it; hostile images do no harm."""

import gzip
import os
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.leaks.planted import oci_image, provider_key, random_text, saved_image, tar
from tidegate.leaks.image import ImageReport, scan_image
from tidegate.wire import zstd

KEY = provider_key()
LAYERS = (
    tar({"etc/os-release": b"Debian", "app/main.py": b"import os"}),
    tar({"app/.env": f"OPENAI_API_KEY={KEY}\n".encode(), "./app/data": b"x" * 5000}),
    tar({"app/.wh..env": b"", "app/new": b"x"}),
)


def write_tar(folder: Path, files: Mapping[str, bytes]) -> Path:
    path = folder / "image.tar"
    path.write_bytes(tar(files))
    return path


def write_gzipped_tar(folder: Path, files: Mapping[str, bytes]) -> Path:
    path = folder / "image.tar.gz"
    path.write_bytes(gzip.compress(tar(files)))
    return path


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / "image" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / "image"


def places(report: ImageReport) -> list[tuple[int | None, str, bool]]:
    return [(finding.place.layer, finding.place.path, finding.deleted) for finding in report.findings]


@pytest.mark.parametrize("write", [write_tar, write_gzipped_tar, write_folder])
@pytest.mark.parametrize("image", [saved_image, oci_image])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress])
def test_a_deleted_file_is_found_in_its_layer(
    tmp_path: Path,
    write: Callable[[Path, Mapping[str, bytes]], Path],
    image: Callable[..., dict[str, bytes]],
    pack: Callable[[bytes], bytes],
) -> None:
    report = scan_image(write(tmp_path, image([pack(layer) for layer in LAYERS])))
    assert places(report) == [(2, "app/.env", True)]
    assert (report.layers, report.problems) == (3, ())
    assert KEY not in repr(report)


@pytest.mark.parametrize(
    ("whiteout", "deleted"),
    [("app/.wh..env", True), (".wh.app", True), ("app/.wh..wh..opq", True), ("app/.wh.other", False), ("x", False)],
)
@pytest.mark.parametrize("order", [1, -1])
def test_only_a_later_layer_deletes(tmp_path: Path, whiteout: str, deleted: bool, order: int) -> None:
    layers = [LAYERS[1], tar({whiteout: b""})][::order]
    ((_, _, found),) = places(scan_image(write_tar(tmp_path, saved_image(layers))))
    assert found == (deleted and order == 1)


def test_environment_and_history_are_examined(tmp_path: Path) -> None:
    config = {"Env": [f"OPENAI_API_KEY={KEY}"], "history": [{"created_by": f"ARG TOKEN={random_text(30)}"}]}
    report = scan_image(write_tar(tmp_path, saved_image(LAYERS[:1], **config)))
    assert [path for _, path, _ in places(report)] == ["environment OPENAI_API_KEY", "history step 1"]


def test_an_unpacked_folder_is_examined_without_following_links(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text(KEY)
    root = write_folder(tmp_path, {"etc/app.json": f'{{"key": "{KEY}"}}'.encode(), "bin/tool": b"\x7fELF"})
    (root / "link").symlink_to(outside)
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe")
    report = scan_image(root)
    assert places(report) == [(None, "etc/app.json", False)]
    assert report.problems == ()


def test_a_clean_image_is_clean(tmp_path: Path) -> None:
    report = scan_image(write_tar(tmp_path, saved_image([LAYERS[0], LAYERS[2]], Env=["PATH=/bin"])))
    assert (report.findings, report.problems, report.layers) == ((), (), 2)
    assert report.read_bytes > 0


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (LAYERS[1][:2000], "ends in the middle"),
        (gzip.compress(LAYERS[1])[:-20], "not examined to its end"),
        (gzip.compress(os.urandom(2000))[:15] + b"x" * 500, "not examined to its end"),
        (zstd.compress(LAYERS[1])[:-5], "not examined to its end"),
    ],
)
def test_a_broken_layer_is_told_and_the_others_are_examined(tmp_path: Path, layer: bytes, why: str) -> None:
    files = saved_image([layer, tar({"second": KEY.encode()})])
    report = scan_image(write_tar(tmp_path, files))
    assert (2, "second", False) in places(report)
    assert len(report.problems) == 1
    assert why in report.problems[0]


def test_a_bomb_is_left_when_it_has_unpacked_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = gzip.compress(tar({"zeros": bytes(24 * 2**20)}), compresslevel=1)
    monkeypatch.setattr("tidegate.leaks.image._UNPACKED_AT_LEAST", 2**20)
    tracemalloc.start()
    report = scan_image(write_tar(tmp_path, saved_image([bomb, tar({"second": KEY.encode()})])))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "times its size" in report.problems[0]
    assert places(report) == [(2, "second", False)]
    assert peak < 16 * 2**20


@pytest.mark.parametrize("content", [b"", b"not a tar file", b"\x1f\x8b broken"])
def test_what_is_no_image_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(content)
    report = scan_image(path)
    assert len(report.problems) == 1


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        scan_image(tmp_path / "none.tar")
