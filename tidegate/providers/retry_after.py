"""How long the upstream asks us to wait, in whichever of its dialects."""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 7 * 24 * 3600.0
"""Seconds; a longer wait is no figure to believe."""

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s|d)")
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_IN_MESSAGE = re.compile(r"(?:try again in|retry after) ((?:\d+(?:\.\d+)?(?:ms|[dhms]))+)", re.IGNORECASE)
_SECONDS_IN_MESSAGE = re.compile(r"(?:try again in|retry after) (\d+(?:\.\d+)?) seconds?", re.IGNORECASE)


def duration(text: str) -> float | None:
    """Seconds of a Go-style duration such as `6m0s`, `1.5s` or `6ms`; None if it is none."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return _plausible(sum(float(number) * _UNITS[unit] for number, unit in parts))


def retry_after(headers: Mapping[str, str], message: str, now: float) -> float | None:
    """Seconds to wait before the same call may succeed; None where the upstream did not say.

    In this order: `retry-after-ms`, `retry-after` (seconds or a date, RFC 9110 section 10.2.3), the message's own
    words, the reset of the limit that has nothing remaining. `headers` have lower-case names.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _plausible(milliseconds / 1000)
    stated = headers.get("retry-after")
    if stated:
        seconds = _number(stated)
        wait = _plausible(seconds) if seconds is not None else _until(stated, now)
        if wait is not None:
            return wait
    if found := _IN_MESSAGE.search(message):
        return duration(found[1])
    if found := _SECONDS_IN_MESSAGE.search(message):
        return _plausible(float(found[1]))
    return _reset(headers)


def _reset(headers: Mapping[str, str]) -> float | None:
    waits = [
        duration(headers.get(f"x-ratelimit-reset-{kind}", "").strip())
        for kind in ("requests", "tokens", "project-tokens")
        if _number(headers.get(f"x-ratelimit-remaining-{kind}")) == 0
    ]
    return max((wait for wait in waits if wait is not None), default=None)


def _number(text: str | None) -> float | None:
    try:
        return float(text.replace(",", "")) if text else None
    except ValueError:
        return None


def _until(date: str, now: float) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, IndexError, TypeError):
        return None
    return _plausible((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now)


def _plausible(seconds: float) -> float | None:
    return seconds if 0 <= seconds <= LONGEST_WAIT else None
