"""A call that nothing limits gets what Redis gave a moment ago, with its ledger entry; every other call asks Redis."""

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tidegate.cache.policy import DEFAULT_POLICY, NO_STORE_POLICY, CachePolicy
from tidegate.core.buffered_answer import BufferedAnswer
from tidegate.core.clock import ManualClock
from tidegate.core.endpoints import CHAT
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.values import AnswerHead, Caller
from tidegate.limits.decision import CacheHit, RemainingLimits
from tidegate.limits.scopes import CallerScopes
from tidegate.metering.ledger.entries import Ledger
from tidegate.metering.ledger.spool import Spool
from tidegate.metering.ledger.stream import LedgerStream
from tidegate.pipeline.admit import NearGiver
from tidegate.pipeline.context import AnswerKey, BackgroundAttempt, InferenceRequest, RequestContext
from tidegate.storage.redis import RedisLink
from tidegate.wire.call import parse

CALLER = Caller(key_id="key_1", project="shop", name="till")
CALL = parse(CHAT, b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"High tide?"}]}')
FREE = CallerScopes(("key/key_1",), (), limit_spending=False, smallest_budget=None)
ACCOUNT = b'{"served_model":"gpt-4o-mini-2024-07-18","provider":"openai","saved_nanos":195000,"answer_from":"req_0"}'
BODY = b'{"object":"chat.completion"}'


async def no_body(_: Caller) -> bytes:
    return b""


def request(name: str = "req_2", *, background: bool = False, **headers: str) -> InferenceRequest:
    attempt = BackgroundAttempt(key_id="key_1", response_id="resp_1", created_at=0.0) if background else None
    return InferenceRequest(
        id=name,
        endpoint=CHAT,
        authorization="Bearer x",
        headers={header.replace("_", "-"): value for header, value in headers.items()},
        body=no_body,
        background_attempt=attempt,
    )


def key(fingerprint: str | None = "f", policy: CachePolicy = DEFAULT_POLICY) -> AnswerKey:
    return AnswerKey(cache_policy=policy, headers={}, scopes=FREE, fingerprint=fingerprint)


class PostedLedger(Ledger):
    """Keeps what is posted."""

    def __init__(self, link: RedisLink, prefix: str, folder: Path) -> None:
        super().__init__(LedgerStream(link, prefix), Spool(folder))
        self.posted: list[LedgerEntry] = []
        self.takes_more = True

    @property
    def can_post(self) -> bool:
        return self.takes_more

    def post(self, entry: LedgerEntry) -> None:
        self.posted.append(entry)


class Desk:
    """What gives near answers, one of which Redis gave now."""

    def __init__(self, ledger: PostedLedger) -> None:
        self.clock, self.ledger = ManualClock(), ledger
        self.near = NearGiver(ledger, self.clock)
        hit = CacheHit(
            remaining_limits=RemainingLimits(),
            stored_at=self.clock.now() - 30,
            head=b"",
            body=b"",
            account=ACCOUNT,
            fresh_until=math.inf,
        )
        head = AnswerHead(stream=False, served_by="openai/gpt-4o-mini")
        self.near.keep(context("req_1", self.clock.now()), hit, BufferedAnswer(head, [BODY]))

    def give(self, asked: InferenceRequest | None = None, of: AnswerKey | None = None) -> Any:
        return self.near.find(asked or request(), CALL, CALLER, of or key(), {"feature": "search"})


def context(request_id: str, at: float) -> RequestContext:
    """Return the part of a context that is read."""
    entry = LedgerEntry(
        id=request_id,
        at=at,
        project="shop",
        key_id="key_1",
        end_user=None,
        route="chat",
        model="gpt-4o-mini",
        provider="first",
        outcome="ok",
        cache="miss",
        stream=False,
    )
    made: Any = msgspec.defstruct("Context", ["fingerprint", "initial_entry"])
    found: RequestContext = made("f", entry)
    return found


@pytest.fixture
def desk(redis_link: RedisLink, redis_prefix: str, tmp_path: Path) -> Desk:
    return Desk(PostedLedger(redis_link, redis_prefix, tmp_path))


async def test_the_answer_is_given_and_its_line_is_that_of_a_hit(desk: Desk) -> None:
    desk.clock.advance(0.5)
    response = desk.give()
    assert (await response.body(), response.cache, response.age) == (BODY, "hit", 30.5)
    (line,) = desk.ledger.posted
    assert (line.id, line.at, line.cache, line.cost_nanos) == ("req_2", desk.clock.now(), "hit", 0)
    assert (line.saved_nanos, line.answer_from, line.provider) == (195000, "req_0", "openai")
    assert (line.served_model, line.tags) == ("gpt-4o-mini-2024-07-18", {"feature": "search"})


@pytest.mark.parametrize(
    ("asked", "of"),
    [
        (request(), key(None)),  # a limit applies
        (request(), key("")),  # the answer is not shared
        (request(), key("another")),
        (request(), key(policy=NO_STORE_POLICY)),
        (request(), key(policy=CachePolicy(lookup=False))),
        (request(), key(policy=CachePolicy(max_age=29))),
        (request(x_tidegate_deadline="soon"), key()),  # the header is checked where the call is prepared
        (request(x_tidegate_fallback="off"), key()),
        (request(background=True), key()),
    ],
)
def test_every_other_call_asks_redis(desk: Desk, asked: InferenceRequest, of: AnswerKey) -> None:
    assert desk.give(asked, of) is None
    assert desk.ledger.posted == []


def test_redis_is_asked_again_after_a_second_and_while_its_lines_wait(desk: Desk) -> None:
    desk.ledger.takes_more = False
    assert desk.give() is None
    desk.ledger.takes_more = True
    assert desk.give() is not None
    desk.clock.advance(1.0)
    assert desk.give() is None
