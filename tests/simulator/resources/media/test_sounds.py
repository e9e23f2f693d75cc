"""A sound is as long as its bytes say, or its header."""

import pytest

from tidegate.simulator.resources.media.sounds import FORMATS, seconds_of, sound


@pytest.mark.parametrize(
    ("content", "seconds"),
    [(sound("wav", 2.5), 2.5), (b"x" * 32_000, 2.0), (b"", 0.0), (b"RIFF" + bytes(4) + b"WAVE" + bytes(32), 0.0)],
)
def test_a_file_has_a_length(content: bytes, seconds: float) -> None:
    assert seconds_of(content) == seconds


@pytest.mark.parametrize("kind", FORMATS)
def test_a_longer_sound_has_more_bytes(kind: str) -> None:
    assert len(sound(kind, 2.0)) > len(sound(kind, 1.0)) >= 16_000
