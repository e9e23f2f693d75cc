"""What an audit line says of an act: by whom, what, on what, from where. Pure.

The command line and the admin API make these values at their seams: `tidegate/cli/context.py` and
`tidegate/web/admin/operating/audited.py`.
"""

import hashlib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Literal

import msgspec

from tidegate.core.scrub import scrub

MAX_VALUE_LENGTH = 200
MAX_PARAMETERS = 40
_HASHED = frozenset({"user", "end_user"})
"""Names of people. They must be erasable, and an audit line is not: it has their digest."""
_KEPT = frozenset(
    {
        "account", "admin", "after", "all", "before", "budget_day", "budget_day_usd", "budget_month",
        "budget_month_usd", "budget_week", "budget_week_usd", "check", "cloud", "concurrency", "conversation_id",
        "credential", "delete_old", "dry_run", "duration", "everything", "expires", "expires_at", "finish", "if_none",
        "key_id", "kind", "limit", "minutes", "model", "models", "name", "object_id", "overlap", "overlap_seconds",
        "period", "place", "priority", "project", "provider", "read_only", "request", "request_id", "retention_days",
        "rpd", "rpm", "seconds", "since", "tag", "tpm", "undo", "until",
    }
)  # fmt: skip
"""The parameters whose values an audit line has. Others may be a secret or a caller's words."""


class AuditOutcome(StrEnum):
    """How an act ended."""

    DONE = "done"
    REFUSED = "refused"
    """By a rule: the request was not valid, or what it names does not exist."""
    FAILED = "failed"
    UNKNOWN = "unknown"
    """The act is in progress, or its process died during it."""


class AuditActor(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts, and from where."""

    kind: Literal["key", "cli"]
    """An admin key over HTTP, or a person at a command line."""
    id: str
    """The key's id, or the number of the operating system's user."""
    name: str
    address: str
    """The client's address with what proxies say of it, or the machine of the command line."""


class AuditAct(msgspec.Struct, frozen=True, kw_only=True):
    """What is done, on what."""

    action: str
    """Such as `keys.revoke`."""
    parameters: Mapping[str, str] = {}
    """What was asked for, without secrets and callers' words."""
    reads_conversations: bool = False
    """Whether it gives out what callers said. Then it is not done unless its line is written."""


def audited_parameters(given: Mapping[str, Any]) -> dict[str, str]:
    """Return what an audit line has of an act's parameters: bounded, scrubbed, without what is secret."""
    pairs = (pair for pair in _flat(given) if pair[1] not in (None, False, (), [], ""))
    kept = sorted(pairs, key=lambda pair: pair[0])[:MAX_PARAMETERS]
    return {_shown(name): _value(name.rpartition(".")[2], value) for name, value in kept}


def _flat(given: Mapping[str, Any], begin: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in given.items():
        if isinstance(value, Mapping) and not begin:
            yield from _flat(value, f"{name}.")
        else:
            yield f"{begin}{name}", value


def _value(name: str, value: Any) -> str:
    if name in _HASHED:
        return f"sha256:{hashlib.sha256(str(value).encode(errors='replace')).hexdigest()[:16]}"
    if name.removeprefix("user_") not in _KEPT:
        return "(not kept)"
    items = value if isinstance(value, list | tuple) else [value]
    return _shown(", ".join(str(item)[:MAX_VALUE_LENGTH] for item in items[:MAX_PARAMETERS]))


def _shown(text: str) -> str:
    """Return a text that was sent from outside as one that can be stored and printed."""
    printable = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[:MAX_VALUE_LENGTH])
    return scrub(printable)
