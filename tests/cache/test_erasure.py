"""The stored answers to one end user's calls are erased, and no other ones."""

import pytest

from tidegate.cache.erasure import AnswerEraser, end_user_digest
from tidegate.core.values import AnswerQuota
from tidegate.limits.scopes import Charge
from tidegate.limits.scripts import LimitScripts, Settlement
from tidegate.storage.redis import RedisLink

NOW = 1_790_000_000.0
ADA = end_user_digest("shop", "ada")


@pytest.fixture
def gate(redis_link: RedisLink, redis_prefix: str) -> LimitScripts:
    return LimitScripts(redis_link, prefix=redis_prefix, lease_seconds=5.0)


async def answered(gate: LimitScripts, fingerprint: str, *, by: str = "", now: float = NOW, keep: int = 60) -> None:
    """A call has been answered, and the answer kept."""
    done = Charge(
        id=fingerprint,
        scope_names=(),
        day="2026-09-21",
        month="2026-09",
        cost_nanos=0,
        tokens=0,
        dataset_id="",
        late=False,
    )
    await gate.settle(
        Settlement(
            fingerprint=fingerprint,
            owner="",
            entry=b'{"id":"x"}',
            now=now,
            charge=done,
            head=b"h",
            body=b"b",
            fresh_seconds=keep,
            end_user=by,
            project="shop",
            quota=AnswerQuota(project_bytes=2**40, total_bytes=2**40),
        )
    )


async def stored(link: RedisLink, prefix: str, *fingerprints: str) -> list[str]:
    """Those of the answers that are there."""
    return [name for name in fingerprints if await link.command("EXISTS", f"{{{prefix}}}:answer:{name}")]


async def test_ones_answers_go_and_others_stay(gate: LimitScripts, redis_link: RedisLink, redis_prefix: str) -> None:
    for n in range(3):
        await answered(gate, f"a{n}", by=ADA)
    await answered(gate, "b", by=end_user_digest("shop", "bob"))
    await answered(gate, "c", by=end_user_digest("bank", "ada"))
    await answered(gate, "d")
    eraser = AnswerEraser(redis_link, prefix=redis_prefix, pause=no_pause)
    assert await eraser.count("shop", "ada") == {"cached_answers": 3}
    assert await eraser.erase("shop", "ada") == {"cached_answers": 3}
    assert await stored(redis_link, redis_prefix, "a0", "a1", "a2", "b", "c", "d") == ["b", "c", "d"]
    assert await eraser.count("shop", "ada") == await eraser.erase("shop", "ada") == {"cached_answers": 0}


async def test_what_has_expired_is_not_remembered(gate: LimitScripts, redis_link: RedisLink, redis_prefix: str) -> None:
    await answered(gate, "a", by=ADA, keep=60)
    await answered(gate, "b", by=ADA, now=NOW + 61, keep=60)
    index = f"{{{redis_prefix}}}:answers_of:{ADA}"
    assert await redis_link.command("ZRANGE", index, 0, -1) == [b"b"]
    assert await redis_link.command("PTTL", index) > 0


def test_the_index_does_not_tell_whose_it_is() -> None:
    assert end_user_digest("shop", "ada") != end_user_digest("shop/a", "da")
    assert "ada" not in ADA


async def no_pause(_: float) -> None:
    """Wait for no time."""
