"""Requests and settlements for the Lua scripts of limits, and the counters that they write."""

from collections.abc import Iterable
from typing import Any

import msgspec

from tidegate.core.values import AnswerQuota
from tidegate.limits.budget_calendar import period_of
from tidegate.limits.decision import Decision
from tidegate.limits.scopes import Charge, LimitScope, Reservation
from tidegate.limits.scripts import AdmissionRequest, LimitScripts, Settlement, SlotRequest
from tidegate.storage.redis import RedisLink

LEASE = 30.0
NOON = 1_795_780_800.0
"""2026-11-27 12:00 UTC, in Unix seconds."""

WIDE_QUOTA = AnswerQuota(project_bytes=2**40, total_bytes=2**40)


class ScriptCalls:
    """Run the scripts under one prefix, and read their counters."""

    def __init__(self, link: RedisLink, prefix: str) -> None:
        self.link = link
        self.prefix = prefix
        self.key_prefix = f"{{{prefix}}}"
        self.scripts = LimitScripts(link, prefix=prefix, lease_seconds=LEASE)

    async def with_valid_counters(self) -> "ScriptCalls":
        """Mark the budget counters as valid, as after a rebuild."""
        await self.link.command("SET", f"{self.key_prefix}:counted", "2:count_1+week")
        return self

    def request(self, name: str, scopes: Iterable[LimitScope], *, now: float = NOON, **fields: Any) -> AdmissionRequest:
        """Return a request; fields of its reservation and of the AdmissionRequest may be given."""
        period, scopes = period_of(fields.pop("at", now)), tuple(scopes)
        reservation = Reservation(
            prefix=self.key_prefix,
            id=name,
            day=period.day,
            week=period.week,
            month=period.month,
            midnight=period.midnight,
            week_end=period.week_end,
            month_end=period.month_end,
            scope_names=tuple(scope.name for scope in scopes),
            scopes=scopes,
            tokens=fields.pop("tokens", 10),
            cost_nanos=fields.pop("cost_nanos", 0),
            lease_seconds=fields.pop("lease_seconds", LEASE),
            max_names=fields.pop("max_names", None),
            readmitted=fields.pop("readmitted", False),
        )
        slot = SlotRequest(
            lane=f"lane-{name}", member=f"p1:{name}", tokens=reservation.tokens, flow="shop", weight=4,
            deadline=now + 3600, rpm=0, tpm=0, max_waiting=1_000_000,
        )  # fmt: skip
        ledger_entry = {
            "id": name, "at": now, "project": "shop", "key_id": "449", "end_user": None, "route": "chat",
            "model": "gpt-4o-mini", "outcome": "ok", "cache": "hit", "stream": False,
        }  # fmt: skip
        request_fields: dict[str, Any] = {
            "fingerprint": name, "owner": f"p1:{name}", "now": now, "lookup": True, "claim": True, "max_age": None,
            "hit_entry": msgspec.json.encode(ledger_entry), "reservation": reservation, "slot": slot, **fields,
        }  # fmt: skip
        return AdmissionRequest(**request_fields)

    async def admit(self, name: str, scopes: Iterable[LimitScope], *, now: float = NOON, **fields: Any) -> Decision:
        """Admit a request."""
        return await self.scripts.admit(self.request(name, scopes, now=now, **fields))

    def settlement(self, request: AdmissionRequest, dataset_id: str, **fields: Any) -> Settlement:
        """Return the settlement of a request; fields of its charge and of the Settlement may be given."""
        reservation = request.reservation
        charge = Charge(
            id=reservation.id,
            scope_names=reservation.scope_names,
            day=reservation.day,
            week=reservation.week,
            month=reservation.month,
            cost_nanos=fields.pop("cost_nanos", reservation.cost_nanos),
            tokens=fields.pop("tokens", reservation.tokens),
            dataset_id=dataset_id,
            late=fields.pop("late", False),
        )
        ledger_entry = {**msgspec.json.decode(request.hit_entry), "cache": "miss", "cost_nanos": charge.cost_nanos}
        request_fields: dict[str, Any] = {
            "fingerprint": request.fingerprint, "owner": request.owner, "entry": msgspec.json.encode(ledger_entry),
            "now": request.now, "charge": charge, "project": "shop", "quota": WIDE_QUOTA, **fields,
        }  # fmt: skip
        return Settlement(**request_fields)

    async def settle(self, request: AdmissionRequest, dataset_id: str, **fields: Any) -> None:
        """Settle a request."""
        await self.scripts.settle(self.settlement(request, dataset_id, **fields))

    async def counter(self, kind: str, scope: str, period: str) -> int:
        """Return the counter `spent` or `held` of a scope in a day, week or month."""
        return int(await self.link.command("GET", f"{self.key_prefix}:{kind}:{scope}:{period}") or 0)

    async def ledger_entries(self) -> list[dict[str, Any]]:
        """Return the ledger entries in the stream."""
        entries = await self.link.command("XRANGE", f"{self.key_prefix}:ledger", "-", "+")
        return [msgspec.json.decode(fields[1]) for _, fields in entries if fields[0] == b"e"]

    async def delete_all_keys(self) -> None:
        """Delete all keys of this prefix, as if Redis had lost its data."""
        cursor = b"0"
        while True:
            cursor, keys = await self.link.command("SCAN", cursor, "MATCH", f"*{self.prefix}}}*", "COUNT", 1000)
            if keys:
                await self.link.command("DEL", *keys)
            if cursor == b"0":
                return


def ledger_sums(entries: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Return what each request cost by the ledger's rule: its own entry replaces one that says `lost`."""
    costs: dict[str, tuple[bool, int]] = {}
    for entry in entries:
        lost = entry["outcome"] == "lost"
        before = costs.get(entry["id"])
        if before is None or (before[0] and not lost):
            costs[entry["id"]] = (lost, entry.get("cost_nanos", 0))
    return {name: cost for name, (_, cost) in costs.items()}
