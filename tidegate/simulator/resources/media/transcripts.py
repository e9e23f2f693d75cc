"""Transcripts in the formats that OpenAI gives them in. Pure."""

import hashlib
from random import Random

import msgspec

from tidegate.simulator.answers.counting import tokens_for
from tidegate.simulator.answers.reply import Json
from tidegate.simulator.answers.words import prose
from tidegate.simulator.refusal import invalid

_TOKENS_PER_SECOND = 3
_MOST_TOKENS = 2000
_SEGMENT_TOKENS = 24


class TranscriptSegment(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a transcript, with its times in seconds."""

    text: str
    start: float
    end: float
    tokens: int


def listen(content: bytes | memoryview, seconds: float) -> list[TranscriptSegment]:
    """Return the words of a file, the same for the same file, in pieces."""
    random = Random(hashlib.sha256(content).digest())  # noqa: S311  # repeatable on purpose
    length = max(4, min(_MOST_TOKENS, int(seconds * _TOKENS_PER_SECOND)))
    tokens = prose("The recording says:", random, length, tokens_for("gpt-4o"))
    pieces = [tokens[at : at + _SEGMENT_TOKENS] for at in range(0, len(tokens), _SEGMENT_TOKENS)]
    segments, at = [], 0
    for piece in pieces:
        start, at = seconds * at / len(tokens), at + len(piece)
        end = seconds * at / len(tokens)
        segments.append(
            TranscriptSegment(text="".join(piece), start=round(start, 2), end=round(end, 2), tokens=len(piece))
        )
    return segments


def text_of(segments: list[TranscriptSegment]) -> str:
    """Return the whole text."""
    return "".join(piece.text for piece in segments)


def subtitles(segments: list[TranscriptSegment], kind: str) -> str:
    """Return the transcript as `srt` or `vtt`."""
    mark = "," if kind == "srt" else "."
    blocks = [
        (f"{number}\n" if kind == "srt" else "")
        + f"{_clock(piece.start, mark)} --> {_clock(piece.end, mark)}\n{piece.text.strip()}\n"
        for number, piece in enumerate(segments, start=1)
    ]
    return ("" if kind == "srt" else "WEBVTT\n\n") + "\n".join(blocks) + "\n"


def verbose(segments: list[TranscriptSegment], seconds: float, task: str, timestamps: list[str]) -> Json:
    """Return the transcript with its segments, and with its words where they are wanted."""
    body: Json = {"task": task, "language": "english", "duration": round(seconds, 2), "text": text_of(segments)}
    if "segment" in timestamps or not timestamps:
        body["segments"] = [
            {
                "id": number, "seek": 0, "start": piece.start, "end": piece.end, "text": piece.text,
                "tokens": list(range(piece.tokens)), "temperature": 0.0, "avg_logprob": -0.3,
                "compression_ratio": 1.2, "no_speech_prob": 0.01,
            }
            for number, piece in enumerate(segments)
        ]  # fmt: skip
    if "word" in timestamps:
        body["words"] = [word for piece in segments for word in _words(piece)]
    return body


def diarized(segments: list[TranscriptSegment], seconds: float) -> Json:
    """Return the transcript with its speakers, who take turns."""
    return {
        "task": "transcribe", "duration": round(seconds, 2), "text": text_of(segments),
        "segments": [turn(number, piece) for number, piece in enumerate(segments)],
    }  # fmt: skip


def turn(number: int, piece: TranscriptSegment) -> Json:
    """Return what one speaker says."""
    return {
        "type": "transcript.text.segment", "id": f"seg_{number:03}", "speaker": "AB"[number % 2],
        "start": piece.start, "end": piece.end, "text": piece.text,
    }  # fmt: skip


def check_known(kind: str, kinds: tuple[str, ...]) -> None:
    """Raise Refusal for a format that the model does not give."""
    if kind not in kinds:
        message = f"response_format '{kind}' is not compatible with this model. Use one of: {', '.join(kinds)}."
        raise invalid(message, param="response_format", code="unsupported_value")


def _words(piece: TranscriptSegment) -> list[Json]:
    words = piece.text.split()
    step = (piece.end - piece.start) / max(1, len(words))
    return [
        {"word": word, "start": round(piece.start + at * step, 2), "end": round(piece.start + (at + 1) * step, 2)}
        for at, word in enumerate(words)
    ]


def _clock(seconds: float, mark: str) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{mark}{thousandths:03}"
