"""Which of OpenAI's paths this gateway does not carry, and why. Pure."""

_ADMINISTRATION = (
    "it administers OpenAI's organization, which needs an admin key, and that stays out of this gateway. Call OpenAI "
    "with your admin key"
)
_RETIRED = "OpenAI has retired it in favour of the Responses API. Use /v1/responses and /v1/conversations"
_HOSTED_CHAT = "its sessions talk to OpenAI without this gateway. Use /v1/responses"
_PERMISSIONS = (
    "it shares fine-tuned models between OpenAI's projects, which needs an admin key, and that stays out of this "
    "gateway. Call OpenAI with your admin key"
)
_CALLS = (
    "its sound goes to OpenAI without this gateway, which could not see what it costs. Open a session at /v1/realtime, "
    "which is a WebSocket"
)

REFUSED = {
    "/v1/organization": _ADMINISTRATION,
    "/v1/projects": _ADMINISTRATION,
    "/v1/fine_tuning/checkpoints": _PERMISSIONS,
    "/v1/assistants": _RETIRED,
    "/v1/threads": _RETIRED,
    "/v1/chatkit": _HOSTED_CHAT,
    "/v1/realtime/calls": _CALLS,
}
"""The reason, by the beginning of the path."""


def refusal_of(path: str) -> str | None:
    """Return why a decoded path is not carried; None where it is, or is not known."""
    return next((reason for start, reason in REFUSED.items() if path == start or path.startswith(f"{start}/")), None)
