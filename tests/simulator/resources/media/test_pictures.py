"""Pictures have the size that was ordered, and films a beginning that a player knows."""

import base64
import struct
import zlib

import pytest

from tidegate.simulator.resources.media.pictures import film, picture, picture_text


@pytest.mark.parametrize(("width", "height"), [(1, 1), (256, 512), (1536, 1024)])
def test_a_picture_has_its_size_and_all_its_rows(width: int, height: int) -> None:
    made = picture("a", width, height)
    assert struct.unpack(">II", made[16:24]) == (width, height)
    at = made.index(b"IDAT")
    length = struct.unpack(">I", made[at - 4 : at])[0]
    assert len(zlib.decompress(made[at + 4 : at + 4 + length])) == height * (1 + (width + 7) // 8)


def test_another_seed_is_another_picture() -> None:
    assert picture("a", 64, 64) == picture("a", 64, 64) != picture("b", 64, 64)
    assert base64.b64decode(picture_text("a", "64x64")) == picture("a", 64, 64)


def test_a_film_is_longer_for_more_seconds() -> None:
    assert film("a", 4)[4:12] == b"ftypmp42"
    assert len(film("a", 8)) > len(film("a", 4)) > 4096
