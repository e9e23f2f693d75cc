"""Secrets of sessions: `/v1/realtime/client_secrets`, and the older addresses. No session is opened with them here."""

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.realtime.settings import new_session, updated
from tidegate.simulator.refusal import invalid
from tidegate.simulator.resources.calls import ResourceAnswer, ResourceCall, ResourceRoute, answer

_SECRET_SECONDS, _SESSION_SECONDS = 600, 3600
_LONGEST_SECONDS = 7200


def _session(call: ResourceCall, wanted: Json, *, model: str) -> Json:
    """Return the session that a secret is for. Raises Refusal."""
    begun = new_session(call.make_id("sess_"), model, expires_at=int(call.now) + _SESSION_SECONDS)
    return updated(begun, wanted)


def _create(call: ResourceCall) -> ResourceAnswer:
    fields = call.json()
    wanted = fields.get("session") or {}
    expires = fields.get("expires_after") or {}
    if not isinstance(wanted, dict) or not isinstance(expires, dict):
        raise invalid("Invalid type for 'session': expected an object.", param="session", code="invalid_type")
    seconds = expires.get("seconds", _SECRET_SECONDS)
    if not isinstance(seconds, int) or not 10 <= seconds <= _LONGEST_SECONDS:
        message = f"Invalid 'expires_after.seconds': expected 10 to {_LONGEST_SECONDS}."
        raise invalid(message, param="expires_after.seconds", code="invalid_value")
    model = "" if wanted.get("type") == "transcription" else str(wanted.get("model") or "gpt-realtime")
    session = _session(call, wanted, model=model)
    return answer({"value": call.make_id("ek_"), "expires_at": int(call.now) + seconds, "session": session})


def _create_older(call: ResourceCall, model: str) -> ResourceAnswer:
    """Return the session with the secret inside it, as the addresses before answer."""
    session = _session(call, {}, model=model)
    secret = {"value": call.make_id("ek_"), "expires_at": int(call.now) + _SECRET_SECONDS}
    return answer({**session, "client_secret": secret})


def _create_session(call: ResourceCall) -> ResourceAnswer:
    return _create_older(call, str(call.json().get("model") or "gpt-realtime"))


def _create_transcription(call: ResourceCall) -> ResourceAnswer:
    return _create_older(call, "")


def _create_translation(call: ResourceCall) -> ResourceAnswer:
    wanted = call.json().get("session")
    if not isinstance(wanted, dict) or not isinstance(wanted.get("model"), str):
        raise invalid("Missing required parameter: 'session.model'.", param="session.model", code="missing_parameter")
    session = {"id": call.make_id("sess_"), "object": "realtime.translation_session", "type": "translation"}
    expires = int(call.now) + _SECRET_SECONDS
    body = {**session, "expires_at": expires, "audio": {}, **wanted}
    return answer({"value": call.make_id("ek_"), "expires_at": expires, "session": body})


ROUTES = tuple(
    ResourceRoute(label=f"realtime.{label}", method="POST", path=f"/realtime/{path}", handler=handler)
    for label, path, handler in (
        ("client_secrets.create", "client_secrets", _create),
        ("sessions.create", "sessions", _create_session),
        ("transcription_sessions.create", "transcription_sessions", _create_transcription),
        ("translations.client_secrets.create", "translations/client_secrets", _create_translation),
    )
)
