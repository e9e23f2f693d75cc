"""Calls of every kind, in a mix: each carries a name of its own, by which its line and its bill are found again."""

import itertools
from collections.abc import Iterator
from random import Random
from typing import Any

import aiohttp
import msgspec

from benchmarks.charged_calls import charged_call
from tidegate.simulator import Fault

MODEL, EMBEDDER, THINKER = "gpt-4o-mini", "text-embedding-3-small", "gpt-5-mini"
MOST_TOKENS, LONG_TOKENS = 60, 300
LONGEST_STAY = 0.8
STOP_SECONDS = 0.1
"""The longest time for which an upstream writes on after a client has left."""
STATED = "stated-"
"""The names begin so of calls whose tokens the upstream makes up, so that only its statement tells them."""
GROUP = 5
"""So many ask the same at once."""
QUESTIONS = 100
"""That are asked again and again."""
KINDS = {"new": 60, "again": 15, "together": 2, "fault": 15, "leave": 4, "leave at once": 2, "unseen": 2, "charged": 15}
"""The weight of each kind."""
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


class UpstreamManners(msgspec.Struct, frozen=True, kw_only=True):
    """How fast an upstream begins, writes and stops. The gateway is not told; it knows only STOP_SECONDS."""

    ttft: float
    tps: float
    stop_seconds: float

    @staticmethod
    def drawn(dice: Random) -> "UpstreamManners":
        """Return those of one run."""
        return UpstreamManners(
            ttft=dice.uniform(0.02, 0.2), tps=dice.uniform(30, 150), stop_seconds=dice.uniform(0, STOP_SECONDS)
        )


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One call."""

    name: str
    path: str
    body: dict[str, Any]
    headers: dict[str, str] = {}
    stays: float | None = None
    """Seconds after which its client leaves; None: it reads to the end."""


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
        return [self._charged() if kind == "charged" else self._one(kind)]

    def _one(self, kind: str) -> Asked:
        match kind:
            case "again":
                return self._ask(f"question {self._dice.randrange(QUESTIONS)}", path=_PATHS[0])
            case "fault":
                return self._struck(next(self._faults))
            case "leave":
                return self._left(self._ask(self._new(), stays=self._dice.uniform(0.05, LONGEST_STAY), stream=True))
            case "leave at once":
                return self._left(self._ask(self._new(), stays=self._dice.uniform(0.02, 0.2)))
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

    def _charged(self) -> Asked:
        """Return a call that is charged for more than its text."""
        drawn = charged_call(self._dice)
        asked = self._ask(self._new(), path=drawn.path, headers=drawn.headers)
        body = {name: value for name, value in asked.body.items() if name not in ("max_tokens", "max_output_tokens")}
        name = f"{STATED}{asked.name}"
        return msgspec.structs.replace(asked, name=name, body={**body, **drawn.body, "user": name})

    def _unseen(self) -> Asked:
        """Nobody says how many tokens it was, and not all of them are text: a tool's call, or thoughts."""
        asked = self._ask(self._new(), path=_PATHS[0], headers={"x-simulate-fault": Fault.MISSING_USAGE.value})
        if self._dice.random() < 0.5:  # a coin
            return msgspec.structs.replace(asked, body={**asked.body, "tools": _TOOLS})
        body = {name: value for name, value in asked.body.items() if name != "max_tokens"}
        return msgspec.structs.replace(asked, body={**body, "model": THINKER, "max_completion_tokens": MOST_TOKENS})

    def _left(self, asked: Asked) -> Asked:
        """Return the call with a long answer: few clients leave in the middle of a short one."""
        limit = "max_tokens" if asked.path == _PATHS[0] else "max_output_tokens"
        headers = {**asked.headers, "x-simulate-tokens": str(LONG_TOKENS)}
        return msgspec.structs.replace(asked, body={**asked.body, limit: LONG_TOKENS}, headers=headers)

    def _ask(
        self,
        words: str,
        *,
        path: str = "",
        stays: float | None = None,
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
        return Asked(name=name, path=path, body=body, headers=headers, stays=stays)


async def make(http: aiohttp.ClientSession, asked: Asked, *, base_url: str, key: str) -> int:
    """Make one call and read what comes, as far as it stays; the status, 0 where there was none."""
    headers = {"authorization": f"Bearer {key}", **asked.headers}
    patience = aiohttp.ClientTimeout(total=asked.stays or 60)
    try:
        async with http.post(base_url + asked.path, json=asked.body, headers=headers, timeout=patience) as answer:
            await answer.read()
            return answer.status
    except (aiohttp.ClientError, TimeoutError):
        return 0
