"""A transcript has the same words in each format, and times that follow each other."""

import pytest

from tidegate.simulator.refusal import Refusal
from tidegate.simulator.resources.media import transcripts

_SEGMENTS = transcripts.listen(b"a recording", 20.0)


def test_the_same_file_says_the_same() -> None:
    assert transcripts.listen(b"a recording", 20.0) == _SEGMENTS != transcripts.listen(b"another", 20.0)
    assert (_SEGMENTS[0].start, _SEGMENTS[-1].end) == (0.0, 20.0)
    assert [piece.start for piece in _SEGMENTS[1:]] == [piece.end for piece in _SEGMENTS[:-1]]


def test_subtitles_have_their_marks() -> None:
    srt, vtt = (transcripts.subtitles(_SEGMENTS, kind) for kind in ("srt", "vtt"))
    assert srt.startswith("1\n00:00:00,000 --> ")
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> ")
    assert srt.count("-->") == vtt.count("-->") == len(_SEGMENTS)


@pytest.mark.parametrize(
    ("timestamps", "present"), [([], {"segments"}), (["word"], {"words"}), (["word", "segment"], {"words", "segments"})]
)
def test_verbose_has_the_times_that_are_wanted(timestamps: list[str], present: set[str]) -> None:
    body = transcripts.verbose(_SEGMENTS, 20.0, "transcribe", timestamps)
    assert set(body) & {"words", "segments"} == present
    assert body["text"] == transcripts.text_of(_SEGMENTS)
    assert len(body.get("words", body["text"].split())) == len(body["text"].split())


def test_speakers_take_turns() -> None:
    body = transcripts.diarized(_SEGMENTS, 20.0)
    assert [segment["speaker"] for segment in body["segments"]] == list("ABAB")[: len(_SEGMENTS)]


def test_a_format_that_a_model_does_not_give_is_refused() -> None:
    with pytest.raises(Refusal, match="response_format 'srt' is not compatible"):
        transcripts.check_known("srt", ("json", "text"))
