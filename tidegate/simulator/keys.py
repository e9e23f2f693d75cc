"""API keys: every key is accepted, unless the simulator has an expected key."""

import hmac
from collections.abc import Mapping

from tidegate.simulator.refusal import Refusal

_WHERE = "https://platform.openai.com/account/api-keys"


def check_key(headers: Mapping[str, str], expected: str | None) -> None:
    """Raise Refusal, 401, if the key is missing or differs from `expected`."""
    key = key_of(headers)
    if not key:
        raise Refusal(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
            f"auth (i.e. Authorization: Bearer YOUR_KEY). You can obtain an API key from {_WHERE}.",
        )
    if expected is not None and not hmac.compare_digest(key.encode(), expected.encode()):
        message = f"Incorrect API key provided: {masked(key)}. You can find your API key at {_WHERE}."
        raise Refusal(401, message, code="invalid_api_key")


def check_admin_key(headers: Mapping[str, str]) -> None:
    """Raise Refusal, 401, unless the key is one that administers an organization (`sk-admin-…`)."""
    if not key_of(headers).startswith("sk-admin-"):
        raise Refusal(401, "You have insufficient permissions for this operation. Missing scopes: api.usage.read.")


def masked(key: str) -> str:
    """Return the key as OpenAI repeats it: its first eight and last four characters."""
    if len(key) <= 12:
        return "*" * len(key)
    return key[:8] + "*" * (len(key) - 12) + key[-4:]


def ends_of(headers: Mapping[str, str]) -> str | None:
    """Return the last four characters of the key, which distinguish the keys of a test."""
    key = key_of(headers)
    return key[-4:] if key else None


def key_of(headers: Mapping[str, str]) -> str:
    """Return the key from OpenAI's or Azure's header; empty for none."""
    if own := headers.get("api-key"):
        return own.strip()
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
