"""Calls of every kind, in a mix: each carries a name of its own, by which its line and its bill are found again."""

import itertools
from collections.abc import Iterator
from random import Random
from typing import Any

import aiohttp
import msgspec

from tidegate.simulator import Fault

MODEL, EMBEDDER, THINKER = "gpt-4o-mini", "text-embedding-3-small", "gpt-5-mini"
MOST_TOKENS = 60
GROUP = 5
"""So many ask the same at once."""
QUESTIONS = 100
"""That are asked again and again."""
KINDS = {"new": 60, "again": 15, "together": 2, "fault": 15, "leave": 4, "leave at once": 2, "unseen": 2}
"""How often each kind comes, out of 100."""
LANES = ("gpt-4o", "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-5", "gpt-5-nano")
"""Models that are told to come later: their queues do not hold up the others."""
LATER = frozenset(
    {Fault.RATE_LIMITED, Fault.RATE_LIMITED_TOKENS, Fault.RATE_LIMITED_DAY, Fault.RATE_LIMITED_BARE, Fault.SLOW_DOWN}
)
ACCOUNT = frozenset({Fault.INVALID_KEY, Fault.ORGANIZATION_MISMATCH, Fault.FORBIDDEN, Fault.OUT_OF_QUOTA})
"""Faults of the account: the gateway stops asking with that credential, so they are no part of a mix."""
FAULTS = tuple(fault for fault in Fault if fault not in ACCOUNT)
_PATHS = ("/chat/completions", "/responses", "/embeddings")
_TOOLS = [{"type": "function", "function": {"name": "tides", "parameters": {"type": "object"}}}]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One call."""

    name: str
    path: str
    body: dict[str, Any]
    headers: dict[str, str] = {}
    leaves: str = ""
    """`soon`: after its first bytes; `at once`: before them; else it stays."""


class Mix:
    """Draws calls."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        self._numbers = itertools.count()
        self._faults = itertools.cycle(FAULTS)

    def groups(self, calls: int) -> Iterator[list[Asked]]:
        """About so many calls, in groups that are made at one time."""
        made = 0
        while made < calls:
            group = self._group(self._dice.choices(list(KINDS), list(KINDS.values()))[0])
            made += len(group)
            yield group

    def _group(self, kind: str) -> list[Asked]:
        if kind == "together":
            question = f"together {next(self._numbers)}"
            return [self._ask(question, path=_PATHS[0], headers={"x-simulate-ttft": "0.1"}) for _ in range(GROUP)]
        return [self._one(kind)]

    def _one(self, kind: str) -> Asked:
        match kind:
            case "again":
                return self._ask(f"question {self._dice.randrange(QUESTIONS)}", path=_PATHS[0])
            case "fault":
                return self._struck(next(self._faults))
            case "leave":
                return self._ask(self._new(), leaves="soon", stream=True, headers={"x-simulate-tps": "50"})
            case "leave at once":
                return self._ask(self._new(), leaves="at once", headers={"x-simulate-latency": "0.5"})
            case "unseen":
                return self._unseen()
            case _:
                return self._ask(self._new(), path=self._dice.choice(_PATHS))

    def _new(self) -> str:
        return f"What of the tide in the year {next(self._numbers)}?"

    def _struck(self, fault: Fault) -> Asked:
        model = self._dice.choice(LANES) if fault in LATER else MODEL
        path = self._dice.choice(_PATHS) if fault is Fault.MISSING_USAGE else self._dice.choice(_PATHS[:2])
        headers = {"x-simulate-fault": fault.value} | ({"x-tidegate-deadline": "0"} if fault in LATER else {})
        asked = self._ask(self._new(), path=path, headers=headers)
        if path == _PATHS[2]:
            return asked
        return msgspec.structs.replace(asked, body={**asked.body, "model": model})

    def _unseen(self) -> Asked:
        """Nobody says how many tokens it was, and not all of them are text: a tool's call, or thoughts."""
        asked = self._ask(self._new(), path=_PATHS[0], headers={"x-simulate-fault": Fault.MISSING_USAGE.value})
        more = {"tools": _TOOLS} if self._dice.random() < 0.5 else {"model": THINKER}  # a coin
        return msgspec.structs.replace(asked, body={**asked.body, **more})

    def _ask(
        self,
        words: str,
        *,
        path: str = "",
        leaves: str = "",
        stream: bool | None = None,
        headers: dict[str, str] | None = None,
    ) -> Asked:
        path = path or self._dice.choice(_PATHS[:2])
        name, headers = f"call-{next(self._numbers)}", headers or {}
        if path == _PATHS[2]:
            return Asked(name=name, path=path, headers=headers, body={"model": EMBEDDER, "input": words, "user": name})
        body: dict[str, Any] = {"model": MODEL, "user": name}
        body["stream"] = self._dice.random() < 0.5 if stream is None else stream  # a coin
        if path == _PATHS[0]:
            body |= {"messages": [{"role": "user", "content": words}], "max_tokens": MOST_TOKENS}
        else:
            body |= {"input": words, "max_output_tokens": MOST_TOKENS, "store": False}
        return Asked(name=name, path=path, body=body, headers=headers, leaves=leaves)


async def make(http: aiohttp.ClientSession, asked: Asked, *, base_url: str, key: str) -> int:
    """Make one call and read what comes, as far as it stays; the status, 0 where there was none."""
    headers = {"authorization": f"Bearer {key}", **asked.headers}
    patience = aiohttp.ClientTimeout(total=0.1 if asked.leaves == "at once" else 60)
    try:
        async with http.post(base_url + asked.path, json=asked.body, headers=headers, timeout=patience) as answer:
            if asked.leaves:
                await answer.content.readany()
                answer.close()
            else:
                await answer.read()
            return answer.status
    except (aiohttp.ClientError, TimeoutError):
        return 0
