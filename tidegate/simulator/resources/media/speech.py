"""Speech: `/v1/audio/speech`, as bytes and as events."""

import base64
from fractions import Fraction

from tidegate.simulator.answers.counting import tokens_for
from tidegate.simulator.billing.tariff import TokenUsage
from tidegate.simulator.checks.shapes import Either, Number, Object, Text
from tidegate.simulator.refusal import invalid
from tidegate.simulator.resources.calls import ResourceAnswer, ResourceCall, ResourceCharge, ResourceRoute
from tidegate.simulator.resources.media.sounds import FORMATS, sound

_VOICES = (
    "alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer", "verse", "marin", "cedar"
)  # fmt: skip
_BY_CHARACTERS = ("tts-1", "tts-1-hd")
"""Models that are paid by the character, and have no events."""
_MOST_CHARACTERS = 4096
_CHARACTERS_PER_SECOND = 15
_TOKENS_PER_SECOND = 20
_PIECES = 4
"""Pieces that a stream has the sound in."""
_TYPES = {"mp3": "audio/mpeg", "opus": "audio/opus", "aac": "audio/aac", "flac": "audio/flac", "wav": "audio/wav",
          "pcm": "audio/pcm"}  # fmt: skip
_SHAPE = Object(
    fields={
        "model": Text(least=1),
        "input": Text(least=1, most=_MOST_CHARACTERS),
        "voice": Either(
            (Text(values=_VOICES), Object(fields={"id": Text(least=1)}, required=("id",))),
            "one of a string or an object",
        ),
        "instructions": Text(most=4096),
        "response_format": Text(values=FORMATS),
        "speed": Number(minimum=0.25, maximum=4.0),
        "stream_format": Text(values=("sse", "audio")),
    },
    required=("model", "input", "voice"),
    others=False,
)


def _speak(call: ResourceCall) -> ResourceAnswer:
    fields = call.json()
    _SHAPE.check("", fields)
    model, text = fields["model"], fields["input"]
    streams = fields.get("stream_format") == "sse"
    if model in _BY_CHARACTERS and streams:
        raise invalid("stream_format 'sse' is not supported with this model.", param="stream_format")
    seconds = len(text) / _CHARACTERS_PER_SECOND / (fields.get("speed") or 1.0)
    kind = fields.get("response_format") or "mp3"
    content = sound(kind, seconds)
    if model in _BY_CHARACTERS:
        usage = TokenUsage(units=(("million_characters", Fraction(len(text), 1_000_000)),))
    else:
        tokens = tokens_for(model)
        read = tokens.count(text) + tokens.count(fields.get("instructions") or "")
        usage = TokenUsage(input=read, output=max(1, round(seconds * _TOKENS_PER_SECOND)))
    charge = ResourceCharge(model=model, usage=usage)
    if not streams:
        return ResourceAnswer(content=content, content_type=_TYPES[kind], charge=charge)
    step = len(content) // _PIECES + 1
    pieces = [content[at : at + step] for at in range(0, len(content), step)]
    deltas = [{"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()} for piece in pieces]
    total = {
        "input_tokens": usage.input, "output_tokens": usage.output, "total_tokens": usage.input + usage.output
    }  # fmt: skip
    return ResourceAnswer(events=(*deltas, {"type": "speech.audio.done", "usage": total}), charge=charge)


ROUTES = (ResourceRoute(label="audio.speech.create", method="POST", path="/audio/speech", handler=_speak),)
