"""Messages are found by their words, newest first, in conversations, chains and completions."""

import pytest

from tests.conversations.records import AT, completion, message, response
from tidegate.conversations.storage.completions import CompletionStore
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.conversations.storage.search import MATCH_END, MATCH_START, ConversationSearch, SearchQuery
from tidegate.core.clock import ManualClock
from tidegate.storage.postgres import Postgres


@pytest.fixture
async def searcher(
    postgres: Postgres, responses: ResponseStore, completions: CompletionStore, clock: ManualClock
) -> ConversationSearch:
    tide = (
        [message("msg_1", "When is high tide in Cuxhaven?")],
        [message("msg_2", "High tide is at noon.", "assistant")],
    )
    await responses.save("shop", response("resp_1", end_user="ada", created_at=clock.now()), *tide)
    clock.advance(60)
    boats = [message("msg_3", "Which boats wait for the tide?")]
    await responses.save("bank", response("resp_2", end_user="bob", created_at=clock.now()), boats, [])
    history = [{"role": "user", "content": "tide?"}, {"role": "assistant", "content": "Which?"}]
    said = completion(
        "c1", *history, {"role": "user", "content": "The low tide"}, created_at=AT + 120, answer="At six."
    )
    await completions.save("shop", said)
    return ConversationSearch(postgres)


@pytest.mark.parametrize(
    ("search", "found"),
    [
        (SearchQuery(words="tide"), ["c1-2", "msg_3", "msg_2", "msg_1"]),
        (SearchQuery(words="TIDE", limit=2), ["c1-2", "msg_3"]),
        (SearchQuery(words="high tide"), ["msg_2", "msg_1"]),
        (SearchQuery(words='"high tide" -noon'), ["msg_1"]),
        (SearchQuery(words="tide", project="bank"), ["msg_3"]),
        (SearchQuery(words="tide", end_user="ada"), ["msg_2", "msg_1"]),
        (SearchQuery(words="tide", before=AT + 60), ["msg_2", "msg_1"]),
        (SearchQuery(words="six"), ["c1-3"]),
        (SearchQuery(words="nothing of the kind"), []),
        (SearchQuery(words=""), []),
        (SearchQuery(words="'); DROP TABLE items; --\0"), []),
    ],
)
async def test_a_search_finds(searcher: ConversationSearch, search: SearchQuery, found: list[str]) -> None:
    assert [one.id for one in await searcher.find(search)] == found


async def test_what_is_found_says_where_it_was_said(searcher: ConversationSearch) -> None:
    (result,) = await searcher.find(SearchQuery(words="cuxhaven"))
    assert (result.project, result.turn, result.role, result.end_user) == ("shop", "resp_1", "user", "ada")
    assert (result.model, result.at) == ("gpt-4o-mini", AT)
    assert result.excerpt == f"When is high tide in {MATCH_START}Cuxhaven{MATCH_END}?"
