"""Calls at the gate: what they ask, what they leave, and what is counted of them."""

from collections.abc import Iterable
from typing import Any

import msgspec

from tidegate.limits.decision import Decision
from tidegate.limits.scopes import Charge, LimitScope, Reservation, period_of
from tidegate.limits.scripts import AdmissionRequest, LimitScripts, Settlement, SlotRequest
from tidegate.storage.redis import RedisLink

LEASE = 30.0
NOON = 1_795_780_800.0
"""2026-11-27 12:00 UTC, in Unix seconds."""


class ScriptCalls:
    """Makes calls at one gate, and reads its counters."""

    def __init__(self, link: RedisLink, prefix: str) -> None:
        self.link = link
        self.prefix = prefix
        self.key_prefix = f"{{{prefix}}}"
        self.scripts = LimitScripts(link, prefix=prefix, lease_seconds=LEASE)

    async def with_valid_counters(self) -> "ScriptCalls":
        """The budgets' counters are true, as after a count."""
        await self.link.command("SET", f"{self.key_prefix}:counted", "count_1")
        return self

    def request(self, name: str, scopes: Iterable[LimitScope], *, now: float = NOON, **fields: Any) -> AdmissionRequest:
        """What a call asks; `k` tokens, `c` nano-dollars, `lease`, `again` and all of an Admission may be given."""
        period, scopes = period_of(fields.pop("at", now)), tuple(scopes)
        terms = Reservation(
            prefix=self.key_prefix,
            id=name,
            day=period.day,
            month=period.month,
            midnight=period.midnight,
            month_end=period.month_end,
            scope_names=tuple(scope.name for scope in scopes),
            scopes=scopes,
            tokens=fields.pop("k", 10),
            cost_nanos=fields.pop("c", 0),
            lease_seconds=fields.pop("lease", LEASE),
            readmitted=fields.pop("again", False),
        )
        lane = SlotRequest(
            lane=f"lane-{name}", member=f"p1:{name}", tokens=terms.tokens, flow="shop", weight=4, deadline=now + 3600,
            rpm=0, tpm=0, max_waiting=1_000_000,
        )  # fmt: skip
        line = {
            "id": name, "at": now, "project": "shop", "key_id": "449", "end_user": None, "route": "chat",
            "model": "gpt-4o-mini", "outcome": "ok", "cache": "hit", "stream": False,
        }  # fmt: skip
        given: dict[str, Any] = {
            "fingerprint": name, "owner": f"p1:{name}", "now": now, "lookup": True, "claim": True, "max_age": None,
            "hit_entry": msgspec.json.encode(line), "terms": terms, "lane": lane, **fields,
        }  # fmt: skip
        return AdmissionRequest(**given)

    async def admit(self, name: str, scopes: Iterable[LimitScope], *, now: float = NOON, **fields: Any) -> Decision:
        """Ask."""
        return await self.scripts.admit(self.request(name, scopes, now=now, **fields))

    def settlement(self, ask: AdmissionRequest, memory: str, **fields: Any) -> Settlement:
        """What a call leaves; `c` nano-dollars, `k` tokens, `late` and all fields of a Settlement may be given."""
        terms = ask.reservation
        done = Charge(
            id=terms.id,
            scope_names=terms.scope_names,
            day=terms.day,
            month=terms.month,
            cost_nanos=fields.pop("c", terms.cost_nanos),
            tokens=fields.pop("k", terms.tokens),
            dataset_id=memory,
            late=fields.pop("late", False),
        )
        line = {**msgspec.json.decode(ask.hit_entry), "cache": "miss", "cost_nanos": done.cost_nanos}
        given: dict[str, Any] = {
            "fingerprint": ask.fingerprint, "owner": ask.owner, "entry": msgspec.json.encode(line), "now": ask.now,
            "done": done, **fields,
        }  # fmt: skip
        return Settlement(**given)

    async def settle(self, ask: AdmissionRequest, memory: str, **fields: Any) -> None:
        """Leave."""
        await self.scripts.settle(self.settlement(ask, memory, **fields))

    async def counter(self, kind: str, scope: str, period: str) -> int:
        """`spent` or `held` of a scope in a day or month."""
        return int(await self.link.command("GET", f"{self.key_prefix}:{kind}:{scope}:{period}") or 0)

    async def ledger_entries(self) -> list[dict[str, Any]]:
        """The ledger's lines in the stream."""
        entries = await self.link.command("XRANGE", f"{self.key_prefix}:ledger", "-", "+")
        return [msgspec.json.decode(fields[1]) for _, fields in entries if fields[0] == b"e"]

    async def delete_all_keys(self) -> None:
        """What a Redis that was emptied would know of this prefix: nothing."""
        cursor = b"0"
        while True:
            cursor, keys = await self.link.command("SCAN", cursor, "MATCH", f"*{self.prefix}}}*", "COUNT", 1000)
            if keys:
                await self.link.command("DEL", *keys)
            if cursor == b"0":
                return


def ledger_sums(lines: Iterable[dict[str, Any]]) -> dict[str, int]:
    """What each call cost by the ledger's own rule: its own line takes the place of one that says `lost`."""
    costs: dict[str, tuple[bool, int]] = {}
    for line in lines:
        lost = line["outcome"] == "lost"
        before = costs.get(line["id"])
        if before is None or (before[0] and not lost):
            costs[line["id"]] = (lost, line.get("cost_nanos", 0))
    return {name: cost for name, (_, cost) in costs.items()}
