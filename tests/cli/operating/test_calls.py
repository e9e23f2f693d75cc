"""`tidegate calls` shows one call with what can be done about it, and follows calls without repeating one."""

import json

import pytest

from tests.cli.conftest import Tidegate
from tests.metering.ledger_parts import ENTRY, entry
from tidegate.cli.operating.calls import latest_calls, line_of_call
from tidegate.core.clock import ManualClock
from tidegate.metering.ledger.entries import encode
from tidegate.metering.ledger.store import LedgerStore
from tidegate.metering.reports.call_filter import ALL_CALLS
from tidegate.metering.reports.calls import CallLookUp
from tidegate.storage.postgres import Postgres


@pytest.fixture
async def written(postgres: Postgres) -> LedgerStore:
    store = LedgerStore(postgres)
    calls = [entry(1), entry(2, at=ENTRY.at + 1, cache="hit", answer_from="req_1")]
    await store.write([encode(call) for call in calls])
    return store


@pytest.mark.usefixtures("written")
def test_a_wrong_cached_answer_leads_to_the_command_that_removes_it(tidegate: Tidegate) -> None:
    hit = tidegate("calls", "show", "req_2")
    assert "tidegate cache purge --request req_1" in hit.output
    first = tidegate("calls", "show", "req_1")
    assert "1 other calls received its answer" in first.output
    shown = json.loads(tidegate("calls", "show", "req_2", "--json").output)
    assert [call["answer_from"] for call in shown["entries"]] == ["req_1"]


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize(
    "arguments", [("calls", "show", "req_9"), ("calls", "tail", "--project", "sohp"), ("usage", "--project", "sohp")]
)
def test_what_is_unknown_is_one_line_and_an_exit_code(tidegate: Tidegate, arguments: tuple[str, ...]) -> None:
    result = tidegate(*arguments)
    assert (result.exit_code, result.output.count("\n")) == (1, 1)


async def test_a_new_call_is_shown_once_and_an_old_one_not_again(written: LedgerStore, postgres: Postgres) -> None:
    clock, shown, rounds = ManualClock(start=ENTRY.at + 10), [], 0

    async def next_round(_: float) -> None:
        nonlocal rounds
        rounds += 1
        await written.write([encode(entry(10 + rounds, at=ENTRY.at + 5 + rounds))])

    async for each in latest_calls(
        CallLookUp(postgres), ALL_CALLS, only_errors=False, count=1, follow=True, clock=clock, pause=next_round
    ):
        shown.append(each.id)
        if len(shown) == 4:
            break
    assert shown == ["req_2", "req_11", "req_12", "req_13"]


def test_a_line_has_no_control_character_of_a_caller() -> None:
    line = line_of_call(entry(1, model="\x1b[31m", error_text="The server had an error", repeats=3))
    assert line.isprintable()
    assert "and 3 more like this" in line
