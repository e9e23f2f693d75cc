"""Each project's stored answers are counted exactly, and stay within the room; who takes most makes room first."""

from random import Random

import pytest

from tests.limits.script_parts import NOON, ScriptCalls
from tidegate.cache.answer_space import AnswerSpace, AnswerUsage
from tidegate.cache.erasure import AnswerEraser, end_user_digest
from tidegate.core.clock import ManualClock
from tidegate.core.values import AnswerQuota
from tidegate.limits.decision import CacheHit
from tidegate.storage.redis import RedisLink

KB = 1024
BODY = b"b" * 3 * KB
SIZE = 34 * 128
"""What an answer with this body takes, as it is counted."""


class Answers:
    """Store answers as the pipeline does, and look at what is there."""

    def __init__(self, link: RedisLink, prefix: str) -> None:
        self.link = link
        self.tag = f"{{{prefix}}}"
        self.clock = ManualClock(NOON)
        self.calls = ScriptCalls(link, prefix)
        self.space = AnswerSpace(link, self.clock, prefix=prefix)

    async def store(
        self,
        name: str,
        project: str = "shop",
        *,
        share: int = 10**9,
        total: int = 10**9,
        keep: float = 600.0,
        user: str = "",
    ) -> None:
        """Store an answer by this name."""
        request = self.calls.request(f"{project}-{name}", [], now=self.clock.now(), fingerprint=name)
        await self.calls.settle(
            request, "", cost_nanos=0, body=BODY, fresh_seconds=keep, project=project,
            end_user=end_user_digest(project, user) if user else "",
            quota=AnswerQuota(project_bytes=share, total_bytes=total),
        )  # fmt: skip

    async def stored(self) -> str:
        """Return the names of all stored answers, sorted and joined."""
        begin = f"{self.tag}:answer:"
        keys = await self.link.command("KEYS", f"{begin}*")
        return " ".join(sorted(key.decode().removeprefix(begin) for key in keys))

    async def usage(self) -> AnswerUsage:
        """Return what is counted, after it was tidied."""
        await self.link.command("DEL", f"{self.tag}:answers_tidied")
        return (await self.space.tidy(claim_seconds=60.0))[1]

    async def index(self, project: str) -> dict[str, float]:
        """Return the index of a project."""
        pairs = await self.link.command("ZRANGE", f"{self.tag}:answers_in:{project}", 0, -1, "WITHSCORES")
        return {name.decode(): float(score) for name, score in zip(pairs[::2], pairs[1::2], strict=True)}


@pytest.fixture
def answers(redis_link: RedisLink, redis_prefix: str) -> Answers:
    return Answers(redis_link, redis_prefix)


async def test_what_is_stored_is_counted_by_project(answers: Answers) -> None:
    await answers.store("a")
    await answers.store("b")
    await answers.store("c", "t:a")
    assert await answers.usage() == AnswerUsage(total_bytes=3 * SIZE, largest_bytes=2 * SIZE, projects=2)


async def test_an_answer_that_is_stored_again_counts_once(answers: Answers) -> None:
    for user in ("ada", "bob", "bob", ""):
        await answers.store("a", user=user)
    assert await answers.usage() == AnswerUsage(total_bytes=SIZE, largest_bytes=SIZE, projects=1)
    assert not await answers.link.command("EXISTS", f"{answers.tag}:answers_of:{end_user_digest('shop', 'ada')}")


async def test_a_project_beyond_its_share_gives_up_its_own_oldest(answers: Answers) -> None:
    await answers.store("other", "far", keep=1.0)
    for name in "abcdefghijklmnopqrst":
        await answers.store(name, share=12 * SIZE)
        answers.clock.advance(0.01)
    assert await answers.stored() == "i j k l m n o other p q r s t"
    usage = await answers.usage()
    assert (usage.total_bytes, usage.largest_bytes) == (13 * SIZE, 12 * SIZE)


async def test_beyond_the_room_of_all_the_largest_project_makes_room(answers: Answers) -> None:
    for name in "abcdefghijklmnop":
        await answers.store(name)
    await answers.store("x", "far", keep=1.0)
    await answers.store("y", "near", total=16 * SIZE)
    assert await answers.stored() == "i j k l m n o p x y"


@pytest.mark.parametrize(("share", "total"), [(SIZE - 1, 10**9), (10**9, SIZE - 1), (0, 0)])
async def test_an_answer_larger_than_the_room_is_not_stored_and_drops_nothing(
    answers: Answers, share: int, total: int
) -> None:
    await answers.store("a")
    await answers.store("b", share=share, total=total)
    assert await answers.stored() == "a"
    await answers.store("a", share=share, total=total)
    assert await answers.stored() == "", "the upstream has given another answer since"
    assert await answers.usage() == AnswerUsage()


async def test_expired_answers_are_forgotten(answers: Answers) -> None:
    await answers.store("a", keep=60.0)
    await answers.store("b", "far", keep=60.0)
    answers.clock.advance(62.0)
    await answers.store("c")
    assert await answers.usage() == AnswerUsage(total_bytes=SIZE, largest_bytes=SIZE, projects=1)
    assert await answers.index("shop") == {"": -SIZE / 128, "c": pytest.approx((NOON + 662.0) * 2**20, rel=1e-9)}
    assert await answers.index("far") == {}
    assert await answers.link.command("TTL", f"{answers.tag}:answers_in:shop") > 0


async def test_expired_answers_are_the_first_to_make_room(answers: Answers) -> None:
    for name, keep in (("a", 600.0), ("b", 5.0), ("c", 600.0)):
        await answers.store(name, keep=keep)
    answers.clock.advance(10.0)
    for name in "defghijk":
        await answers.store(name, share=11 * SIZE)
    await answers.store("l", share=11 * SIZE)
    assert set(await answers.index("shop")) >= {"", "l"}
    assert "b" not in await answers.index("shop")


async def test_memory_is_freed_from_the_largest_project_first(answers: Answers) -> None:
    for name in "abcdefghijkl":
        await answers.store(name, user="ada")
        answers.clock.advance(1.0)
    await answers.store("x", "far")
    assert await answers.space.drop(1, limit=100) == (8, 8 * SIZE)
    assert await answers.stored() == "i j k l x"
    index = f"{answers.tag}:answers_of:{end_user_digest('shop', 'ada')}"
    assert await answers.link.command("ZRANGE", index, 0, -1) == [b"i", b"j", b"k", b"l"]
    assert await answers.space.drop(10**9, limit=3) == (4, 4 * SIZE)
    assert await answers.space.drop(10**9, limit=100) == (1, SIZE)
    assert await answers.space.drop(10**9, limit=100) == (0, 0)
    assert await answers.usage() == AnswerUsage()


async def test_answers_that_no_index_names_can_be_dropped(answers: Answers) -> None:
    for name in "abc":
        await answers.store(name)
    await answers.link.command("DEL", f"{answers.tag}:answers_in:shop")
    dropped = 0
    while dropped < 3:
        dropped += await answers.space.drop_unknown()
    assert await answers.stored() == ""


@pytest.mark.parametrize("lost", ["answers_in:shop", "answers_held", "answer:a"])
async def test_what_is_lost_is_counted_right_again(answers: Answers, lost: str) -> None:
    await answers.store("a")
    await answers.store("x", "far")
    await answers.link.command("DEL", f"{answers.tag}:{lost}")
    for name in ("a", "b"):
        await answers.store(name)
    await answers.store("x", "far")
    assert await answers.usage() == AnswerUsage(total_bytes=3 * SIZE, largest_bytes=2 * SIZE, projects=2)


async def test_a_key_of_another_type_is_set_aside(answers: Answers) -> None:
    for kind in ("answers_in:shop", "answers_held"):
        await answers.link.command("SET", f"{answers.tag}:{kind}", "garbage")
    await answers.store("a")
    assert await answers.stored() == "a"
    assert (await answers.usage()).total_bytes == SIZE


async def test_one_replica_at_a_time_tidies(answers: Answers) -> None:
    assert [(await answers.space.tidy(claim_seconds=60.0))[0] for _ in range(2)] == [True, False]


async def test_erasing_an_end_user_frees_the_room(answers: Answers, redis_prefix: str) -> None:
    await answers.store("a", user="ada")
    await answers.store("b", user="bob")
    assert await AnswerEraser(answers.link, prefix=redis_prefix, pause=no_pause).erase("shop", "ada") == {
        "cached_answers": 1
    }
    assert await answers.usage() == AnswerUsage(total_bytes=SIZE, largest_bytes=SIZE, projects=1)


async def test_the_sums_are_exact_after_any_steps(answers: Answers) -> None:
    random = Random(7)  # noqa: S311  # repeatable on purpose
    for _ in range(400):
        match random.choice(("store", "store", "store", "wait", "drop")):
            case "store":
                total = random.choice((4, 20, 60)) * SIZE
                name, project = random.choice("abcdefghijklmnopqrstuvw"), random.choice(("shop", "far", "near"))
                keep = random.choice((5.0, 60.0, 600.0))
                await answers.store(f"{project}-{name}", project, share=total // 2, total=total, keep=keep)
            case "wait":
                answers.clock.advance(random.choice((0.5, 3.0, 70.0)))
            case _:
                await answers.space.drop(random.choice((1, 5 * SIZE)), limit=10)
    indexes = [await answers.index(project) for project in ("shop", "far", "near")]
    for index in indexes:
        assert -index.pop("", 0.0) == sum(number % 2**20 for number in index.values())
    usage = await answers.usage()
    assert usage.total_bytes <= sum(len(index) for index in indexes) * SIZE
    assert {name for index in indexes for name in index} >= set((await answers.stored()).split())


async def test_a_stored_answer_is_a_hit(answers: Answers) -> None:
    await answers.store("a", user="ada")
    hit = await answers.calls.admit("again", [], now=answers.clock.now(), fingerprint="a")
    assert isinstance(hit, CacheHit)
    assert hit.body == BODY


async def no_pause(_: float) -> None:
    """Wait for no time."""
