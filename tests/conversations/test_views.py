"""The views show messages, their authors and their cost, and the queries in the guide run as they are."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conversations.records import completion, item, message, response
from tests.metering.ledger_parts import entry
from tidegate.conversations.documents.records import Conversation
from tidegate.conversations.storage.completions import CompletionStore
from tidegate.conversations.storage.conversations import ConversationStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.metering.ledger.entries import encode
from tidegate.metering.ledger.store import LedgerStore
from tidegate.storage.postgres import Postgres

GUIDE = Path(__file__).parent.parent.parent / "docs/guides/data.md"
QUESTIONS = re.findall(r"^```sql\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
async def said(
    responses: ResponseStore, conversations: ConversationStore, completions: CompletionStore, postgres: Postgres
) -> None:
    await conversations.create(
        "shop", Conversation(id="conv_1", created_at=1.0), [message("msg_0", "Be brief", "system")]
    )
    asked = [item("fc_1", "function_call_output", call_id="c", output="x"), message("msg_1", "A refund, please")]
    first = response("resp_1", conversation_id="conv_1", end_user="ada", request_id="req_1")
    await responses.save("shop", first, asked, [message("msg_2", "Certainly.", "assistant")])
    history = ({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"})
    second = completion("c1", *history, {"role": "user", "content": "When?"}, end_user="bob", request_id="req_2")
    await completions.save("shop", second)
    lines = [
        entry(1, project="shop"),
        entry(2, project="shop", end_user="bob", cache="hit", cost_nanos=0, saved_nanos=7),
    ]
    await LedgerStore(postgres).write([encode(line) for line in lines])


async def rows(postgres: Postgres, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    async with postgres.connection() as connection:
        return [tuple(row) for row in await connection.fetch(query)]


async def test_messages_are_told_once_each(postgres: Postgres) -> None:
    query = "SELECT conversation, turn, role, text, model, end_user FROM messages ORDER BY conversation, n"
    assert await rows(postgres, query) == [
        ("c1", "c1", "user", "When?", "gpt-4o-mini", "bob"),
        ("c1", "c1", "assistant", "At noon.", "gpt-4o-mini", "bob"),
        ("conv_1", None, "system", "Be brief", None, None),
        ("conv_1", "resp_1", "user", "A refund, please", "gpt-4o-mini", "ada"),
        ("conv_1", "resp_1", "assistant", "Certainly.", "gpt-4o-mini", "ada"),
    ]


async def test_turns_have_question_answer_tokens_and_cost(postgres: Postgres) -> None:
    query = "SELECT turn, question, answer, cache, input_tokens, cost_usd FROM turns ORDER BY turn"
    assert await rows(postgres, query) == [
        ("c1", "When?", "At noon.", "hit", 10, Decimal(0)),
        ("resp_1", "A refund, please", "Certainly.", "miss", 10, Decimal(4500) / 10**9),
    ]


async def test_usage_is_told_by_day(postgres: Postgres) -> None:
    columns = "day::text, project, end_user, model, calls, hits, cost_usd, saved_usd"
    query = f"SELECT {columns} FROM usage_daily ORDER BY end_user"  # noqa: S608  # the names above
    assert await rows(postgres, query) == [
        ("2026-09-21", "shop", "ada", "gpt-4o-mini", 1, 0, Decimal(4500) / 10**9, Decimal(0)),
        ("2026-09-21", "shop", "bob", "gpt-4o-mini", 1, 1, Decimal(0), Decimal(7) / 10**9),
    ]


@pytest.mark.parametrize("question", QUESTIONS)
async def test_the_guides_questions_can_be_asked(postgres: Postgres, question: str) -> None:
    async with postgres.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(question)
        await transaction.rollback()


async def test_an_analyst_sees_the_views_and_nothing_else(postgres: Postgres) -> None:
    async with postgres.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(QUESTIONS[0])
        await connection.execute("SET LOCAL ROLE analyst")
        for view, count in (("messages", 5), ("turns", 2), ("usage_daily", 2)):
            assert await connection.fetchval(f"SELECT count(*) FROM {view}") == count  # noqa: S608  # the names above
        with pytest.raises(Exception, match="permission denied"):
            await connection.execute("SELECT FROM items")
        await transaction.rollback()


def test_the_guide_asks_some() -> None:
    assert len(QUESTIONS) >= 4


async def test_a_days_usage_is_found_by_its_index(postgres: Postgres) -> None:
    async with postgres.connection() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetch("EXPLAIN SELECT calls FROM usage_daily WHERE day = '2026-09-21'")
    assert "ledger_by_day" in "\n".join(row[0] for row in plan)
