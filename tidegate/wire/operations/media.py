"""Images, audio and videos."""

from tidegate.wire.operations.operation import (
    AnswerContent,
    BodyKind,
    ChargeBasis,
    ObjectKind,
    Operation,
    OperationClock,
)

_VIDEO = {"video_id": ObjectKind.VIDEO}
_CONSENT = {"consent_id": ObjectKind.VOICE_CONSENT}
_CHARACTER = {"character_id": ObjectKind.CHARACTER}

IMAGES = (
    Operation(
        label="images.generate",
        method="POST",
        path="/v1/images/generations",
        body=BodyKind.JSON,
        answer=AnswerContent.JSON_OR_EVENTS,
        clock=OperationClock.LONG,
        charge=ChargeBasis.IMAGES,
    ),
    Operation(
        label="images.edit",
        method="POST",
        path="/v1/images/edits",
        body=BodyKind.JSON_OR_MULTIPART,
        answer=AnswerContent.JSON_OR_EVENTS,
        clock=OperationClock.LONG,
        charge=ChargeBasis.IMAGES,
    ),
    Operation(
        label="images.create_variation",
        method="POST",
        path="/v1/images/variations",
        body=BodyKind.MULTIPART,
        clock=OperationClock.LONG,
        charge=ChargeBasis.IMAGES,
    ),
)
AUDIO = (
    Operation(
        label="audio.speech.create",
        method="POST",
        path="/v1/audio/speech",
        body=BodyKind.JSON,
        answer=AnswerContent.BYTES_OR_EVENTS,
        clock=OperationClock.LONG,
        charge=ChargeBasis.SPEECH,
    ),
    Operation(
        label="audio.transcriptions.create",
        method="POST",
        path="/v1/audio/transcriptions",
        body=BodyKind.MULTIPART,
        answer=AnswerContent.JSON_OR_EVENTS,
        clock=OperationClock.LONG,
        charge=ChargeBasis.TRANSCRIPTION,
    ),
    Operation(
        label="audio.translations.create",
        method="POST",
        path="/v1/audio/translations",
        body=BodyKind.MULTIPART,
        clock=OperationClock.LONG,
        charge=ChargeBasis.TRANSCRIPTION,
    ),
    Operation(
        label="audio.voices.create",
        method="POST",
        path="/v1/audio/voices",
        body=BodyKind.MULTIPART,
        clock=OperationClock.LONG,
        charge=ChargeBasis.UNKNOWN,
        makes=ObjectKind.VOICE,
    ),
    Operation(
        label="audio.voices.delete",
        method="DELETE",
        path="/v1/audio/voices/{voice_id}",
        deletes=ObjectKind.VOICE,
        of={"voice_id": ObjectKind.VOICE},
    ),
    Operation(
        label="audio.voice_consents.create",
        method="POST",
        path="/v1/audio/voice_consents",
        body=BodyKind.MULTIPART,
        makes=ObjectKind.VOICE_CONSENT,
    ),
    Operation(
        label="audio.voice_consents.list", method="GET", path="/v1/audio/voice_consents", lists=ObjectKind.VOICE_CONSENT
    ),
    Operation(
        label="audio.voice_consents.retrieve", method="GET", path="/v1/audio/voice_consents/{consent_id}", of=_CONSENT
    ),
    Operation(
        label="audio.voice_consents.update",
        method="POST",
        path="/v1/audio/voice_consents/{consent_id}",
        body=BodyKind.JSON,
        of=_CONSENT,
    ),
    Operation(
        label="audio.voice_consents.delete",
        method="DELETE",
        path="/v1/audio/voice_consents/{consent_id}",
        deletes=ObjectKind.VOICE_CONSENT,
        of=_CONSENT,
    ),
)
VIDEOS = (
    Operation(
        label="videos.create",
        method="POST",
        path="/v1/videos",
        body=BodyKind.JSON_OR_MULTIPART,
        clock=OperationClock.LONG,
        charge=ChargeBasis.VIDEO,
        makes=ObjectKind.VIDEO,
    ),
    Operation(label="videos.list", method="GET", path="/v1/videos", lists=ObjectKind.VIDEO),
    Operation(label="videos.retrieve", method="GET", path="/v1/videos/{video_id}", of=_VIDEO),
    Operation(
        label="videos.delete", method="DELETE", path="/v1/videos/{video_id}", deletes=ObjectKind.VIDEO, of=_VIDEO
    ),
    Operation(
        label="videos.download_content",
        method="GET",
        path="/v1/videos/{video_id}/content",
        answer=AnswerContent.BYTES,
        clock=OperationClock.TRANSFER,
        of=_VIDEO,
    ),
    Operation(
        label="videos.remix",
        method="POST",
        path="/v1/videos/{video_id}/remix",
        body=BodyKind.JSON_OR_MULTIPART,
        clock=OperationClock.LONG,
        charge=ChargeBasis.VIDEO,
        makes=ObjectKind.VIDEO,
        of=_VIDEO,
    ),
    Operation(
        label="videos.edit",
        method="POST",
        path="/v1/videos/edits",
        body=BodyKind.JSON_OR_MULTIPART,
        clock=OperationClock.LONG,
        charge=ChargeBasis.VIDEO,
        makes=ObjectKind.VIDEO,
    ),
    Operation(
        label="videos.extend",
        method="POST",
        path="/v1/videos/extensions",
        body=BodyKind.JSON_OR_MULTIPART,
        clock=OperationClock.LONG,
        charge=ChargeBasis.VIDEO,
        makes=ObjectKind.VIDEO,
    ),
    Operation(
        label="videos.create_character",
        method="POST",
        path="/v1/videos/characters",
        body=BodyKind.MULTIPART,
        clock=OperationClock.LONG,
        charge=ChargeBasis.UNKNOWN,
        makes=ObjectKind.CHARACTER,
    ),
    Operation(label="videos.get_character", method="GET", path="/v1/videos/characters/{character_id}", of=_CHARACTER),
)
