"""What the upstream says of its own limits, out of `x-ratelimit-*` headers and of a refusal's words.

OpenAI's `reset` is the time until the limit is full again. So `reset * limit / used` tells how long the whole limit
takes to refill: a minute for a bucket of requests or tokens a minute, a day where small accounts are told their
requests a day under the same names. A figure that fits neither belongs to a window that opens all at once.
"""

import re
from collections.abc import Mapping

from tidegate.core.rate_limits import ReportedLimit, ReportedLimits
from tidegate.providers.retry_after import LONGEST_WAIT, duration

MINUTE = 60.0
LONGEST_MINUTE = 600.0
"""Seconds to refill beyond which a limit is one of an hour or a day."""
_ABOUT = 0.1
"""A bucket's `reset` differs from the arithmetic by no more than this share."""
_MOST = 10**12

_PREFIX = "x-ratelimit-"
_IN_MESSAGE = re.compile(r"\((?P<kind>RPM|TPM)\): Limit (?P<limit>[\d,]+)")


def reported_limits(headers: Mapping[str, str], message: str = "") -> ReportedLimits:
    """What an answer says; `headers` are found by lower-case names, `message` is a refusal's. Never raises.

    Values that are no figure, negative, or a limit of 0 say nothing: proxies and Azure send `-1` and `0` for "unknown".
    """
    if not message and _PREFIX not in "\n".join(headers).lower():
        return ReportedLimits()
    requests, shut = _read(headers, "requests")
    tokens, shut_tokens = _read(headers, "tokens")
    if (project := _read(headers, "project-tokens")[0]).limit and _narrower(project, tokens):
        tokens = project
    if found := _IN_MESSAGE.search(message):
        stated = ReportedLimit(limit=_count(found["limit"]), remaining=0)
        requests, tokens = (stated, tokens) if found["kind"] == "RPM" else (requests, stated)
    if shut or shut_tokens:
        which = "requests" if shut >= shut_tokens else "tokens"
        return ReportedLimits(requests=requests, tokens=tokens, exhausted=which, reset_seconds=max(shut, shut_tokens))
    return ReportedLimits(requests=requests, tokens=tokens)


def _read(headers: Mapping[str, str], kind: str) -> tuple[ReportedLimit, float]:
    """The limit, and the seconds for which a window with nothing left stays shut."""
    limit = _count(headers.get(f"{_PREFIX}limit-{kind}"))
    left = _count(headers.get(f"{_PREFIX}remaining-{kind}"))
    if not limit:
        # a remainder of nothing known is no news: Azure says 0 or -1 for "not counted"
        return ReportedLimit(), 0.0
    if left is None:
        return ReportedLimit(limit=limit), 0.0
    left = min(left, limit)
    reset = _seconds(headers.get(f"{_PREFIX}reset-{kind}"))
    if reset is None:
        return ReportedLimit(limit=limit, remaining=left), 0.0
    shut = reset if left == 0 and not _is_refilling(limit, reset) else 0.0
    if left < limit and reset * limit / (limit - left) > LONGEST_MINUTE:
        return ReportedLimit(), shut
    return ReportedLimit(limit=limit, remaining=left), shut


def _is_refilling(limit: int, reset: float) -> bool:
    """Whether a minute's bucket with nothing left, or nearly one as they are rounded down, is full after `reset`."""
    return MINUTE * (1 - 1 / limit) * (1 - _ABOUT) <= reset <= MINUTE * (1 + _ABOUT)


def _narrower(one: ReportedLimit, other: ReportedLimit) -> bool:
    if other.limit is None or one.remaining is None or other.remaining is None:
        return True
    return one.remaining < other.remaining


def _count(text: str | None) -> int | None:
    try:
        count = int(float(text.strip().replace(",", "").replace("_", ""))) if text else -1
    except (ValueError, OverflowError):
        return None
    return count if 0 <= count <= _MOST else None


def _seconds(text: str | None) -> float | None:
    """A Go duration, or bare seconds as proxies write them."""
    if not text:
        return None
    stated = duration(text.strip())
    if stated is not None:
        return stated
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds <= LONGEST_WAIT else None
