"""Videos: `/v1/videos`. They are queued, made as time passes, and can then be loaded."""

import re
from fractions import Fraction
from typing import Any

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.billing.tariff import TokenUsage
from tidegate.simulator.checks import refusals
from tidegate.simulator.checks.shapes import Object, Text
from tidegate.simulator.refusal import Refusal, invalid
from tidegate.simulator.resources.calls import (
    MEGABYTE,
    ResourceAnswer,
    ResourceCall,
    ResourceCharge,
    ResourceRoute,
    answer,
)
from tidegate.simulator.resources.media.pictures import film, picture
from tidegate.simulator.resources.objects import StoredKind
from tidegate.simulator.resources.organization import Record

_SECONDS = ("4", "8", "12", "16", "20")
_SIZES = {"sora-2": ("720x1280", "1280x720"), "sora-2-pro": ("720x1280", "1280x720", "1024x1792", "1792x1024")}
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_LIFE = 86_400
_QUEUED_UNTIL = 0.2
"""The share of a video's time for which it is queued."""
_MOST_BYTES = 128 * MEGABYTE
_POLL = {"openai-poll-after-ms": "100"}
_SHAPE = Object(
    fields={"prompt": Text(least=1, most=32_000), "model": Text(), "seconds": Text(values=_SECONDS), "size": Text()},
    required=("prompt",),
)


def _view(call: ResourceCall, record: Record) -> Json:
    body, share = record.body, record.share(call.now)
    if body["status"] not in ("completed", "failed"):
        body["progress"] = int(share * 100)
        body["status"] = "queued" if share < _QUEUED_UNTIL else "in_progress"
        if share >= 1:
            body.update(status="completed", completed_at=int(call.now), expires_at=int(call.now) + _LIFE)
    return body


_VIDEOS = StoredKind(label="videos", path="/videos", parameter="video_id", name="Video", prefix="video_", view=_view)


def _order(call: ResourceCall, fields: Json, **more: Any) -> ResourceAnswer:
    """Begin to make a video, and charge it."""
    _SHAPE.check("", fields)
    model = fields.get("model") or "sora-2"
    sizes = _SIZES.get(_SNAPSHOT.sub("", model))
    if sizes is None:
        raise refusals.wrong_value("model", model, tuple(_SIZES))
    size, seconds = fields.get("size") or sizes[0], fields.get("seconds") or "4"
    if size not in sizes:
        raise refusals.wrong_value("size", size, sizes)
    body = {
        "id": call.make_id("video_"), "object": "video", "model": model, "status": "queued", "progress": 0,
        "created_at": int(call.now), "completed_at": None, "expires_at": None, "prompt": fields["prompt"],
        "size": size, "seconds": seconds, "remixed_from_video_id": None, "error": None, **more,
    }  # fmt: skip
    _VIDEOS.objects(call).add(_VIDEOS.record(call, body))
    usage = TokenUsage(units=((f"video_second {size}", Fraction(seconds)),))
    return answer(dict(body), headers=_POLL, charge=ResourceCharge(model=model, usage=usage))


def _create(call: ResourceCall) -> ResourceAnswer:
    return _order(call, call.fields())


def _source(call: ResourceCall, fields: Json) -> Json:
    """Return the video that is edited or extended: one by its id, or a file. Raises Refusal."""
    if call.files("video"):
        return {"model": "sora-2", "size": None, "seconds": None, "id": None}
    named = fields.get("video")
    video_id = named.get("id") if isinstance(named, dict) else named
    if not isinstance(video_id, str):
        raise refusals.missing("video")
    return _finished(call, video_id).body


def _finished(call: ResourceCall, video_id: str | None = None) -> Record:
    record = _VIDEOS.find(call, video_id)
    if _view(call, record)["status"] != "completed":
        raise invalid(f"Video '{record.id}' is not ready yet. Its status is '{record.body['status']}'.")
    return record


def _edit(call: ResourceCall) -> ResourceAnswer:
    fields = call.fields()
    source = _source(call, fields)
    kept = {name: source[name] for name in ("model", "size", "seconds") if source[name]}
    return _order(call, {**kept, "prompt": fields.get("prompt")}, remixed_from_video_id=source["id"])


def _extend(call: ResourceCall) -> ResourceAnswer:
    fields = call.fields()
    if fields.get("seconds") is None:
        raise refusals.missing("seconds")
    source = _source(call, fields)
    kept = {name: source[name] for name in ("model", "size") if source[name]}
    return _order(call, {**kept, "prompt": fields.get("prompt"), "seconds": fields["seconds"]})


def _remix(call: ResourceCall) -> ResourceAnswer:
    source = _finished(call).body
    kept = {name: source[name] for name in ("model", "size", "seconds")}
    return _order(call, {**kept, "prompt": call.fields().get("prompt")}, remixed_from_video_id=source["id"])


def _retrieve(call: ResourceCall) -> ResourceAnswer:
    return answer(_view(call, _VIDEOS.find(call)), headers=_POLL)


def _content(call: ResourceCall) -> ResourceAnswer:
    record, variant = _finished(call), call.query.get("variant", "video")
    if record.body["expires_at"] < call.now:
        raise Refusal(404, f"The content of video '{record.id}' has expired.")
    if variant == "video":
        return ResourceAnswer(content=film(record.id, int(record.body["seconds"])), content_type="video/mp4")
    if variant not in ("thumbnail", "spritesheet"):
        raise refusals.wrong_value("variant", variant, ("video", "thumbnail", "spritesheet"))
    return ResourceAnswer(content=picture(record.id, 256, 256), content_type="image/png")


def _make_character(call: ResourceCall, fields: Json, character_id: str) -> Json:
    if not fields.get("name"):
        raise refusals.missing("name")
    if not call.files("video"):
        raise refusals.missing("video")
    return {"id": character_id, "name": fields["name"], "created_at": int(call.now)}


_CHARACTERS = StoredKind(
    label="videos.characters", path="/videos/characters", parameter="character_id", name="Character", prefix="char_",
    make=_make_character,
)  # fmt: skip


ROUTES: tuple[ResourceRoute, ...] = (
    *_VIDEOS.routes("list", "delete", retrieve=_retrieve),
    *(
        ResourceRoute(label=f"videos.{label}", method=method, path=path, handler=handler, most_bytes=_MOST_BYTES)
        for label, method, path, handler in (
            ("create", "POST", "/videos", _create),
            ("edit", "POST", "/videos/edits", _edit),
            ("extend", "POST", "/videos/extensions", _extend),
            ("remix", "POST", "/videos/{video_id}/remix", _remix),
            ("download_content", "GET", "/videos/{video_id}/content", _content),
            ("create_character", "POST", "/videos/characters", _CHARACTERS.create),
            ("get_character", "GET", "/videos/characters/{character_id}", _CHARACTERS.retrieve),
        )
    ),
)
