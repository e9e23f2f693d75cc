"""Transcriptions and translations: `/v1/audio/transcriptions` and `/v1/audio/translations`."""

from fractions import Fraction

import msgspec

from tidegate.simulator.answers.counting import tokens_for
from tidegate.simulator.answers.reply import Json
from tidegate.simulator.billing.tariff import TokenUsage
from tidegate.simulator.checks import refusals
from tidegate.simulator.refusal import Refusal, invalid
from tidegate.simulator.resources.calls import (
    MEGABYTE,
    ResourceAnswer,
    ResourceCall,
    ResourceCharge,
    ResourceRoute,
)
from tidegate.simulator.resources.media import transcripts
from tidegate.simulator.resources.media.sounds import seconds_of
from tidegate.simulator.resources.media.transcripts import TranscriptSegment

_SUFFIXES = ("flac", "m4a", "mp3", "mp4", "mpeg", "mpga", "oga", "ogg", "wav", "webm")
_MOST_BYTES = 25 * MEGABYTE
_SHORTEST = 0.1
_AUDIO_TOKENS_PER_SECOND = 10
_WHISPER = ("json", "text", "srt", "verbose_json", "vtt")
_FORMATS = {"whisper-1": _WHISPER, "gpt-4o-transcribe-diarize": ("json", "text", "diarized_json")}
_OTHER_FORMATS = ("json", "text")
_ALL_FORMATS = (*_WHISPER, "diarized_json")


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks for, and what its file says."""

    model: str
    format: str
    fields: Json
    seconds: float
    segments: list[TranscriptSegment]

    @property
    def by_duration(self) -> bool:
        """Whether its model is paid by the minute."""
        return self.model == "whisper-1"

    def tokens(self) -> TokenUsage:
        """Return what it costs."""
        if self.by_duration:
            return TokenUsage(units=(("audio_minute", Fraction(self.whole_seconds(), 60)),))
        audio = max(1, round(self.seconds * _AUDIO_TOKENS_PER_SECOND))
        text = tokens_for(self.model).count(self.fields.get("prompt") or "")
        written = sum(piece.tokens for piece in self.segments)
        return TokenUsage(input=audio + text, input_audio=audio, output=written)

    def whole_seconds(self) -> int:
        """Return the seconds that are paid."""
        return max(1, -(-round(self.seconds * 1000) // 1000))

    def usage(self) -> Json:
        """Return what the answer states of its use."""
        if self.by_duration:
            return {"type": "duration", "seconds": self.whole_seconds()}
        used = self.tokens()
        return {
            "type": "tokens", "input_tokens": used.input, "output_tokens": used.output,
            "total_tokens": used.input + used.output,
            "input_token_details": {"text_tokens": used.input - used.input_audio, "audio_tokens": used.input_audio},
        }  # fmt: skip


def _read(call: ResourceCall, models: tuple[str, ...] = ()) -> Recording:
    fields, files = call.form().values(), call.files("file")
    if not files:
        raise refusals.missing("file")
    model = fields.get("model")
    if not model:
        raise invalid("you must provide a model parameter")
    if models and model not in models:
        raise Refusal(404, f"The model `{model}` does not exist or you do not have access to it.",
                      code="model_not_found", param="model")  # fmt: skip
    if files[0].filename.rpartition(".")[2].lower() not in _SUFFIXES:
        raise invalid(f"Unrecognized file format. Supported formats: {list(_SUFFIXES)}", param="file")
    seconds = seconds_of(files[0].data)
    if seconds < _SHORTEST:
        message = "Audio file is too short. Minimum audio length is 0.1 seconds."
        raise invalid(message, param="file", code="audio_too_short")
    kind = fields.get("response_format") or "json"
    if kind not in _ALL_FORMATS:
        raise refusals.wrong_value("response_format", kind, _ALL_FORMATS)
    transcripts.check_known(kind, _FORMATS.get(model, _OTHER_FORMATS))
    segments = transcripts.listen(files[0].data, seconds)
    return Recording(model=model, format=kind, fields=fields, seconds=seconds, segments=segments)


def _transcribe(call: ResourceCall) -> ResourceAnswer:
    recording = _read(call)
    charge = ResourceCharge(model=recording.model, usage=recording.tokens())
    if str(recording.fields.get("stream")).lower() == "true" and not recording.by_duration:
        return ResourceAnswer(events=tuple(_events(recording)), charge=charge)
    return _whole(recording, "transcribe", charge)


def _translate(call: ResourceCall) -> ResourceAnswer:
    recording = _read(call, ("whisper-1",))
    return _whole(recording, "translate", ResourceCharge(model=recording.model, usage=recording.tokens()))


def _whole(recording: Recording, task: str, charge: ResourceCharge) -> ResourceAnswer:
    text = transcripts.text_of(recording.segments)
    if recording.format == "text":
        return _plain(text + "\n", charge)
    if recording.format in ("srt", "vtt"):
        return _plain(transcripts.subtitles(recording.segments, recording.format), charge)
    body: Json = {"text": text}
    if recording.format == "verbose_json":
        timestamps = recording.fields.get("timestamp_granularities") or []
        body = transcripts.verbose(recording.segments, recording.seconds, task, timestamps)
    elif recording.format == "diarized_json":
        body = transcripts.diarized(recording.segments, recording.seconds)
    if task == "transcribe":
        body["usage"] = recording.usage()
    return ResourceAnswer(body=body, charge=charge)


def _plain(text: str, charge: ResourceCharge) -> ResourceAnswer:
    return ResourceAnswer(content=text.encode(), content_type="text/plain; charset=utf-8", charge=charge)


def _events(recording: Recording) -> list[Json]:
    done = {
        "type": "transcript.text.done", "text": transcripts.text_of(recording.segments), "usage": recording.usage()
    }  # fmt: skip
    if recording.format == "diarized_json":
        return [*(transcripts.turn(number, piece) for number, piece in enumerate(recording.segments)), done]
    return [*({"type": "transcript.text.delta", "delta": piece.text} for piece in recording.segments), done]


ROUTES = tuple(
    ResourceRoute(
        label=f"audio.{name}.create", method="POST", path=f"/audio/{name}", handler=handler,
        most_bytes=_MOST_BYTES + MEGABYTE,
    )
    for name, handler in (("transcriptions", _transcribe), ("translations", _translate))
)  # fmt: skip
