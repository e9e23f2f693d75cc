"""Voices of one's choice, and the consents of their speakers: `/v1/audio/voices`, `/v1/audio/voice_consents`."""

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.checks import refusals
from tidegate.simulator.resources.calls import ResourceCall, ResourceRoute
from tidegate.simulator.resources.objects import StoredKind


def _need(call: ResourceCall, fields: Json, texts: tuple[str, ...], file: str) -> None:
    for name in texts:
        if not isinstance(fields.get(name), str) or not fields[name]:
            raise refusals.missing(name)
    if not call.files(file):
        raise refusals.missing(file)


def _make_consent(call: ResourceCall, fields: Json, consent_id: str) -> Json:
    _need(call, fields, ("name", "language"), "recording")
    return {
        "object": "audio.voice_consent", "id": consent_id, "name": fields["name"], "language": fields["language"],
        "created_at": int(call.now),
    }  # fmt: skip


_CONSENTS = StoredKind(
    label="audio.voice_consents", path="/audio/voice_consents", parameter="consent_id", name="Voice consent",
    prefix="cons_", make=_make_consent, deleted="audio.voice_consent",
)  # fmt: skip


def _make_voice(call: ResourceCall, fields: Json, voice_id: str) -> Json:
    _need(call, fields, ("name", "consent"), "audio_sample")
    _CONSENTS.find(call, fields["consent"])
    return {
        "object": "audio.voice", "id": voice_id, "name": fields["name"], "created_at": int(call.now),
        "type": "audio_sample",
    }  # fmt: skip


_VOICES = StoredKind(
    label="audio.voices", path="/audio/voices", parameter="voice_id", name="Voice", prefix="voice_", make=_make_voice
)
ROUTES: tuple[ResourceRoute, ...] = (
    *_CONSENTS.routes("create", "list", "retrieve", "update", "delete"),
    *_VOICES.routes("create", "delete"),
)
