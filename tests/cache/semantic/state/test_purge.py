"""A scope's answers and questions go together, those of another scope stay, and processes read the scope again."""

from tidegate.cache.purge import AnswerPurge
from tidegate.cache.semantic.state.change_log import READ_AGAIN, ChangeLog, NumberedChanges
from tidegate.cache.semantic.state.purge import ScopePurge
from tidegate.storage.names import RedisNames
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink


async def test_a_scope_goes_with_its_answers(postgres: Postgres, redis_link: RedisLink, redis_prefix: str) -> None:
    log, answers = ChangeLog(postgres, redis_link, prefix=redis_prefix), AnswerPurge(redis_link, prefix=redis_prefix)
    names = RedisNames(redis_prefix)
    for scope, answer in (("s", "f1"), ("s", "f2"), ("t", "f3")):
        await redis_link.command("HSET", names.of("answer", answer), "at", 1, "by", f"req_{answer}")
        changes = [f'{{"type":"alias","key":"k","answer":"{answer}"}}', '{"type":"forget","key":"k"}']
        await log.append(project="shop", scope=scope, changes=changes, end_user=None, decision=None)
    await log.spread(await log.append(project="shop", scope="u", changes=["{}"], end_user=None, decision=None))
    await log.heard()
    assert await ScopePurge(postgres, answers, log).purge("s") == 2
    left = [await redis_link.command("EXISTS", names.of("answer", answer)) for answer in ("f1", "f2", "f3")]
    assert left == [0, 0, 1]
    assert await log.read("s", after=0, limit=10) == (4, [])
    assert (await log.read("t", after=0, limit=10))[0] == 2
    assert await log.heard() == [NumberedChanges(scope="s", first=READ_AGAIN, changes=())]
    assert await redis_link.command("HEXISTS", names.of("purged"), "request:req_f1") == 1


async def test_an_answer_that_is_not_stored_is_fine(redis_link: RedisLink, redis_prefix: str) -> None:
    assert await AnswerPurge(redis_link, prefix=redis_prefix).purge_answer("unknown") == 0
