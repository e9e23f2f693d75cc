"""A call is found by its id, or the upstream's; calls are listed by what they have in common, and by what failed."""

from typing import Any

import pytest

from tests.metering.ledger_parts import ENTRY, entry
from tidegate.core.errors import ApiKeyNotFound, CallNotFound, ProjectNotFound
from tidegate.core.tags import parse_tag
from tidegate.metering.ledger.entries import encode
from tidegate.metering.ledger.store import LedgerStore
from tidegate.metering.reports.call_filter import CallFilter
from tidegate.metering.reports.calls import CallLookUp, CallPosition
from tidegate.storage.postgres import Postgres

AT = ENTRY.at
CALLS = [
    entry(1, at=AT, upstream_request_id="req_up_1", credential="default", queue_ms=7),
    entry(2, at=AT + 1, cache="hit", answer_from="req_1", end_user="bob"),
    entry(3, at=AT + 2, outcome="server_error", error_text="The server had an error", key_id="key_2"),
    entry(4, at=AT + 3, outcome="client_disconnected", model="gpt-5"),
    entry(5, at=AT + 4, fallback_step="canned", provider="canned", tags={"team": "blue"}),
    entry(6, at=AT + 5, outcome="rate_limit_exceeded", project="other", repeats=3),
]
ALWAYS: Any = {"since": 0.0, "until": 4e9, "limit": 100}


@pytest.fixture
async def look_up(postgres: Postgres) -> CallLookUp:
    await LedgerStore(postgres).write([encode(call) for call in CALLS])
    return CallLookUp(postgres)


@pytest.mark.parametrize("known_as", ["req_1", "req_up_1"])
async def test_a_call_is_found_whole_by_either_id(look_up: CallLookUp, known_as: str) -> None:
    history = await look_up.find(known_as)
    assert (history.entries, history.receivers) == ((CALLS[0],), 1)


async def test_the_entries_of_a_call_that_took_another_one_over_are_found_together(postgres: Postgres) -> None:
    calls = [entry(1, at=AT), entry(1, at=AT)]
    again = encode(calls[1]).replace(b'"req_1"', b'"req_1-again"')
    await LedgerStore(postgres).write([encode(calls[0]), again])
    history = await CallLookUp(postgres).find("req_1")
    assert {found.id for found in history.entries} == {"req_1", "req_1-again"}


async def test_an_unknown_call_is_an_error(look_up: CallLookUp) -> None:
    with pytest.raises(CallNotFound, match="req_9"):
        await look_up.find("req_9")


@pytest.mark.parametrize(
    ("calls", "only_errors", "found"),
    [
        (CallFilter(), False, [6, 5, 4, 3, 2, 1]),
        (CallFilter(), True, [6, 5, 3]),
        (CallFilter(project="acme"), True, [5, 3]),
        (CallFilter(key_id="key_2"), False, [3]),
        (CallFilter(end_user="bob"), False, [2]),
        (CallFilter(model="gpt-5"), False, [4]),
        (CallFilter(tags=[parse_tag("team=blue")]), False, [5]),
        (CallFilter(end_user="stranger"), False, []),
    ],
)
async def test_calls_are_listed_the_latest_first(
    look_up: CallLookUp, calls: CallFilter, only_errors: bool, found: list[int]
) -> None:
    entries = await look_up.list(calls, only_errors=only_errors, **ALWAYS)
    assert [int(each.id.removeprefix("req_")) for each in entries] == found


async def test_a_list_goes_on_after_its_last_call(look_up: CallLookUp) -> None:
    first = await look_up.list(since=0.0, until=4e9, limit=2)
    rest = await look_up.list(after=CallPosition(first[-1].at, first[-1].id), **ALWAYS)
    assert [each.id for each in (*first, *rest)] == [f"req_{number}" for number in range(6, 0, -1)]


@pytest.mark.parametrize(
    ("calls", "error"), [(CallFilter(project="sohp"), ProjectNotFound), (CallFilter(key_id="key_9"), ApiKeyNotFound)]
)
async def test_a_mistyped_name_is_an_error(look_up: CallLookUp, calls: CallFilter, error: type[Exception]) -> None:
    with pytest.raises(error):
        await look_up.list(calls, **ALWAYS)
