"""The session object: its defaults, and what `session.update` changes."""

from typing import Any

from tidegate.simulator.refusal import invalid

Json = dict[str, Any]

_VOICES = frozenset(("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"))
_FIELDS = frozenset(
    {
        "type", "model", "output_modalities", "instructions", "tools", "tool_choice", "max_output_tokens", "tracing",
        "truncation", "prompt", "audio", "include", "reasoning", "parallel_tool_calls",
    }
)  # fmt: skip
_MOST_TOKENS = 4096


def new_session(session_id: str, model: str, *, expires_at: int) -> Json:
    """Return the session that a connection begins with; without a model it is one that only transcribes."""
    spoken: Json = {
        "format": {"type": "audio/pcm", "rate": 24000},
        "transcription": None,
        "noise_reduction": None,
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 200,
            "idle_timeout_ms": None,
            "create_response": True,
            "interrupt_response": True,
        },
    }
    session: Json = {"id": session_id, "expires_at": expires_at, "include": None, "audio": {"input": spoken}}
    if not model:
        return {"object": "realtime.transcription_session", "type": "transcription", **session}
    session["audio"]["output"] = {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0}
    return {
        "object": "realtime.session",
        "type": "realtime",
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "You are a helpful, witty, and friendly AI.",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        **session,
    }


def updated(session: Json, changes: Any) -> Json:
    """Return the session with changes. Raises Refusal."""
    if not isinstance(changes, dict):
        raise invalid("Missing required parameter: 'session'.", param="session", code="missing_required_parameter")
    if unknown := sorted(changes.keys() - _FIELDS):
        raise invalid(
            f"Unknown parameter: 'session.{unknown[0]}'.", param=f"session.{unknown[0]}", code="unknown_parameter"
        )
    if changes.get("type", session["type"]) != session["type"]:
        raise invalid("Passing a different session type is not allowed.", param="session.type", code="invalid_value")
    if changes.get("model", session.get("model")) != session.get("model"):
        raise invalid("Cannot update a realtime session's model.", param="session.model", code="invalid_value")
    merged = _merged(session, changes)
    check_limit(merged.get("max_output_tokens", "inf"), "session.max_output_tokens")
    voice = merged["audio"].get("output", {}).get("voice", "marin")
    if voice not in _VOICES:
        raise invalid(f"Invalid value: '{voice}'.", param="session.audio.output.voice", code="invalid_value")
    return merged


def check_limit(limit: Any, param: str) -> None:
    """Raise Refusal unless a limit of a response's output is one."""
    if limit != "inf" and not (isinstance(limit, int) and 1 <= limit <= _MOST_TOKENS):
        raise invalid(f"Invalid value: {limit!r}. Expected 1 to {_MOST_TOKENS}.", param=param, code="invalid_value")


def _merged(old: Json, new: Json) -> Json:
    """Return an object with changes, which reach into the objects inside it."""
    result = dict(old)
    for name, value in new.items():
        inner = old.get(name)
        result[name] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return result
