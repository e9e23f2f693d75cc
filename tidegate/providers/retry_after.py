"""How long the upstream asks us to wait, in whichever of its dialects."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 7 * 24 * 3600.0
"""Seconds; a longer wait is no figure to believe."""

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s|d)")
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_WORDS = {
    **_UNITS, "millisecond": 1e-3, "sec": 1.0, "second": 1.0, "min": 60.0, "minute": 60.0, "hr": 3600.0, "hour": 3600.0,
    "day": 86400.0, "week": 604_800.0,
}  # fmt: skip
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?) ?([a-zµ]+)", re.IGNORECASE)
_IN_MESSAGE = re.compile(
    r"\b(?:(?:again|retry|resets?|renews) (?:in|after)|wait(?: for)?) ((?:\d+(?:\.\d+)? ?[a-zµ]+(?:,? (?:and )?)?)+)",
    re.IGNORECASE,
)
_DATE_IN_MESSAGE = re.compile(
    r"(?:\b(?:again|resets?|renews) (?:at|on)|将在) (\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)?)",
    re.IGNORECASE,
)
_FIRST_MOMENT = 1e9
"""Unix seconds; a greater number is a moment, not a wait."""


def duration(text: str) -> float | None:
    """Seconds of a Go-style duration such as `6m0s`, `1.5s` or `6ms`; None if it is none."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return _plausible(sum(float(number) * _UNITS[unit] for number, unit in parts))


def retry_after(headers: Mapping[str, str], message: str, now: float) -> float | None:
    """Seconds to wait before the same call may succeed; None where the upstream did not say.

    In this order: `retry-after-ms`, `retry-after` (seconds or a date, RFC 9110 section 10.2.3), the message's own
    words, the reset of the limit that has nothing remaining. `headers` have lower-case names. A date without a zone is
    read as UTC, and what the words state is cut at a week: a long wait is tested by one call anyway.
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
    wait = _in_words(message, now)
    return _reset(headers, now) if wait is None else wait


def _in_words(message: str, now: float) -> float | None:
    if found := _IN_MESSAGE.search(message):
        amounts = [(float(number), _unit(word)) for number, word in _AMOUNT.findall(found[1])]
        if None not in (unit for _, unit in amounts):
            return min(sum(number * (unit or 0.0) for number, unit in amounts), LONGEST_WAIT)
    if found := _DATE_IN_MESSAGE.search(message):
        return _until_iso(found[1], now)
    return None


def _unit(word: str) -> float | None:
    """Return the seconds of a unit, in the singular or the plural."""
    plain = word.lower()
    return _WORDS.get(plain) or _WORDS.get(plain.removesuffix("s"))


def _reset(headers: Mapping[str, str], now: float) -> float | None:
    waits = [
        duration(headers.get(f"x-ratelimit-reset-{kind}", "").strip())
        for kind in ("requests", "tokens", "project-tokens")
        if _number(headers.get(f"x-ratelimit-remaining-{kind}")) == 0
    ]
    if _number(headers.get("x-ratelimit-remaining")) == 0:  # OpenRouter: a moment in milliseconds; others: seconds
        stated = _number(headers.get("x-ratelimit-reset"))
        waits.append(None if stated is None else _plausible(_from_now(stated, now)))
    return max((wait for wait in waits if wait is not None), default=None)


def _from_now(stated: float, now: float) -> float:
    """Return the seconds of a wait, or until a moment in Unix seconds or milliseconds."""
    if stated < _FIRST_MOMENT:
        return stated
    return (stated / 1000 if stated > _FIRST_MOMENT * 1000 else stated) - now


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


def _until_iso(date: str, now: float) -> float | None:
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        return None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
    return min(seconds, LONGEST_WAIT) if seconds >= 0 else None


def _plausible(seconds: float) -> float | None:
    return seconds if 0 <= seconds <= LONGEST_WAIT else None
