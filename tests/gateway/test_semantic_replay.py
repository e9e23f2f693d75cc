"""Each decision of the whole gateway is the one that the pure rules come to, and so is the account."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from benchmarks.semantic.replay import Errors, Replay
from benchmarks.semantic.streams import Phrasing
from tests.gateway.question_upstream import ANSWERING, JUDGE, VERIFIER, QuestionUpstream
from tests.gateway.test_semantic import Asking
from tests.harness import Json, World
from tidegate.cache.semantic.account import Rules
from tidegate.cache.semantic.decision import AskInFull, Serve
from tidegate.cache.semantic.embedder import load_embedder
from tidegate.cache.semantic.index import VectorBlock
from tidegate.cache.semantic.prior import shipped_prior
from tidegate.cache.semantic.question import Question, key_of, shipped_reader
from tidegate.cache.semantic.state.accounts import AccountStore
from tidegate.core.clock import SystemClock
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.redis import RedisLink

REQUESTS = 300
OPENINGS = [
    "How do I",
    "How can I",
    "I want to",
    "Please help me",
    "Can you tell me how to",
    "What is the way to",
    "Help me",
]
ACTS = {
    "reset my password": "reset",
    "change my password": "reset",
    "open an account": "open",
    "close an account": "close",
    "close my account": "close",
    "track a parcel": "track",
    "follow my parcel": "track",
    "return a parcel": "return",
    "send a parcel back": "return",
    "pay an invoice": "pay",
    "get a refund": "refund",
    "have my money back": "refund",
    "change my address": "address",
    "update my address": "address",
    "pay 20 dollars": "pay20",
    "pay 30 dollars": "pay30",
}
TOPICS = {f"{opening} {act}".casefold(): topic for opening in OPENINGS for act, topic in ACTS.items()}


class RecordedReplay(Replay):
    """A replay whose coins fall as they fell in the gateway, and that notes what it decides."""

    recorded: Json
    decided: tuple[str, float | None, float | None]

    def step(self, phrasing: Phrasing, recorded: Json) -> tuple[str, float | None, float | None]:
        """Answer one request; return the action, the risk and the share that is audited."""
        self.recorded = recorded
        self.decided = ("hit", None, None)
        self._coin = _FallenCoin(compared=recorded.get("compared", False))
        self._answer(phrasing)
        return self.decided

    def _audit(self, share: float, *, wrong: bool) -> bool | None:
        if self.decided[0] == "hit" and self.recorded:  # a repeated alias
            self.decided = ("alias", self.recorded["risk"], share)
        return not wrong if self.recorded["audited"] else None

    def _serve(self, decision: Serve, question: Question, phrasing: Phrasing) -> None:
        self.decided = ("verified" if decision.verified else "direct", decision.risk, decision.audit_share)
        super()._serve(decision, question, phrasing)

    def _ask(self, decision: AskInFull, question: Question, phrasing: Phrasing) -> None:
        self.decided = ("ask", None, None)
        super()._ask(decision, question, phrasing)


class _FallenCoin(random.Random):
    def __init__(self, *, compared: bool) -> None:
        super().__init__()
        self._compared = compared

    def random(self) -> float:
        return 0.0 if self._compared else 1.0


@pytest.fixture
async def upstream() -> AsyncIterator[QuestionUpstream]:
    async with QuestionUpstream(TOPICS).serving() as upstream:
        yield upstream


def _requests() -> list[Phrasing]:
    """Return a stream that ends with a new question: hits are counted with the next one that is none."""
    coin, texts = random.Random(7), list(TOPICS)  # noqa: S311  # repeatable on purpose
    weights = [1.0 / (1 + number) ** 0.5 for number in range(len(texts))]
    coin.shuffle(texts)
    last = texts.pop()
    asked = [*coin.choices(texts, weights[:-1], k=REQUESTS - 1), last]
    return [Phrasing(text, TOPICS[text]) for text in asked]


@pytest.mark.parametrize("verify", ["inline", "background"])
@pytest.mark.long
async def test_the_gateway_decides_as_the_rules_do(
    clean_stores: StoreUrls, redis_prefix: str, tmp_path: Path, upstream: QuestionUpstream, verify: str
) -> None:
    tier = {
        "mode": "on", "delta": 0.05, "judge": JUDGE, "verifier": VERIFIER, "verify": verify, "verify_seconds": 5.0,
        "embed_seconds": 1.0, "max_wrong_ratio": 1.0,
    }  # fmt: skip
    replay = _replay(Rules(delta=0.05, verifies=verify == "inline"))
    async with World(clean_stores, redis_prefix, upstream.base_url, tmp_path) as world:
        async with world.gateway(semantic=tier) as gateway:
            asking = Asking(world, gateway)
            seen = [(phrasing, await asking(phrasing.text)) for phrasing in _requests()]
        rows = {row[0]: row[1:] for row in await world.rows(_ROWS)}
    for number, (phrasing, answer) in enumerate(seen):
        action, risk, share, audited, compared = rows.get(answer.headers["x-request-id"], ("hit", *[None] * 4))
        recorded = {} if action == "hit" else {"audited": audited, "compared": compared, "risk": risk}
        expected = replay.step(phrasing, recorded)
        assert (number, action) == (number, expected[0]), phrasing
        assert [risk or 0.0, share or 0.0] == pytest.approx([each or 0.0 for each in expected[1:]], rel=1e-9), phrasing
    assert {row[0] for row in rows.values()} >= {"ask", "alias"}
    link = RedisLink(clean_stores.redis_url, timeout=2.0, clock=SystemClock())
    await link.start()
    figures = await AccountStore(link, SystemClock(), prefix=redis_prefix, judge_seconds=1.0).read("on", "shop")
    await link.close()
    assert msgspec.structs.astuple(figures) == pytest.approx(msgspec.structs.astuple(replay.figures), rel=1e-9)
    assert upstream.calls[ANSWERING] == replay.counts.requests - replay.counts.semantic - replay.counts.exact


_ROWS = "SELECT request_id, action, risk, audit_share, audited, compared FROM semantic_decisions"


def _replay(rules: Rules) -> RecordedReplay:
    embedder = load_embedder()
    return RecordedReplay(
        prior=shipped_prior(),
        reader=shipped_reader(),
        index=VectorBlock(embedder.dimensions),
        embed=lambda text: embedder.embed(key_of(text)),
        rules=rules,
        errors=Errors(verifier=0.0),
        seed=1,
    )
