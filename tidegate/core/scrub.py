"""Remove key material from text before it reaches a log, an error, a label or the database."""

import re
from typing import Any

from tidegate.core.process.known_secrets import REDACTED, KnownSecrets

__all__ = ["REDACTED", "remember_secret", "scrub", "scrub_start", "scrub_value"]

_LONGEST_SECRET = 4096
_known = KnownSecrets()
"""One for the process, as there is one standard error: a secret that any part loads may reach a log of every other."""

# sk-…, sess-…, rk-… and pk-… keys, whole or shortened with asterisks and dots as OpenAI echoes them;
# with a letter or a digit before it, it is the end of a word: "task-force"
_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:sk|sess|rk|pk)-"
    r"(?:[A-Za-z0-9_\-*…]{3,}|[A-Za-z0-9_\-*…]*(?=\.{2}))(?:\.{2,}[A-Za-z0-9_\-]+)?"
)
# no key: a placeholder without any character of one, and a model's name that ends with a size or a version
_NO_KEY = re.compile(
    r"(?:sk|sess|rk|pk)-(?:(?:tg-)?(?:…|\.{3}|\*{3})?|[a-z]{3,}(?:-[a-z]+)*-(?:\d{1,3}[bm]|v?\d(?:\.\d)?))"
)
_ECHO = re.compile(r"(API key provided: )[^\s\"']*[^\s\"'.]")
# not before an ordinary word, as in "Basic authentication", and not before a placeholder
_BEARER = re.compile(
    r"(?i:\b(bearer|basic))\s+(?![A-Za-z]?[a-z]{5,15}(?![A-Za-z0-9._~+/\-=]))(?!sk-(?:tg-)?(?:…|\.{3}))"
    r"[A-Za-z0-9._~+/\-]{6,}=*"
)
_HEADER = re.compile(r"(?i)(\bapi-key[\"']?\s*[:=]\s*[\"']?)[^\s\"',;}]+")
# up to the last @, because a password may hold / and @; bounded, so that no text takes long
_URL_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^\s\"']{1,256}@")
_URL_PARAMETER = re.compile(r"(?i)([?&]password=)[^&\s\"']+")


def remember_secret(name: str, value: str) -> None:
    """Remove a value from all texts from now on; `name` is the place or the setting that it belongs to."""
    _known.remember(name, value)


def scrub(text: str) -> str:
    """Return `text` with each secret that is known or has a known form replaced by `[redacted]`.

    Known are those that the process has loaded. The forms are API keys, bearer tokens and passwords in URLs.
    """
    text = _known.redact(text)
    text = _KEY.sub(_without_key, text)
    text = _ECHO.sub(rf"\1{REDACTED}", text)
    text = _BEARER.sub(rf"\1 {REDACTED}", text)
    text = _HEADER.sub(rf"\1{REDACTED}", text)
    text = _URL_PASSWORD.sub(rf"\1{REDACTED}@", text)
    return _URL_PARAMETER.sub(rf"\1{REDACTED}", text)


def scrub_start(text: str, characters: int) -> str:
    """Return the first characters of a text, scrubbed before they are cut: half a secret would not be recognised."""
    return scrub(text[: characters + _LONGEST_SECRET])[:characters]


def _without_key(found: re.Match[str]) -> str:
    return found[0] if _NO_KEY.fullmatch(found[0]) else REDACTED


def scrub_value(value: Any) -> Any:
    """Return a value of a log line scrubbed: strings, containers of them, exceptions."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {scrub(str(key)): scrub_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [scrub_value(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return scrub(str(value))
