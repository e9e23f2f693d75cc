"""Every way in which a call ends has its entry, with its cost, its savings and its error."""

import json
from typing import Any

import msgspec
import pytest

from tests.metering.ledger_parts import ENTRY
from tidegate.core import endpoints
from tidegate.core.config import MeteringConfig
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import (
    ClientDisconnected,
    ConnectionFailed,
    ConnectTimeout,
    ErrorInStream,
    FirstByteTimeout,
    MalformedAnswer,
    TidegateError,
    TruncatedAnswer,
)
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.values import Outcome
from tidegate.metering import price_list
from tidegate.metering.accountant import Accountant, joined_entry
from tidegate.metering.prices import Prices
from tidegate.wire import sse

# gpt-4o-mini: 0.15, cached 0.075, out 0.60 USD per million tokens
BODY = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "When is high tide?"}]}
USAGE = {
    "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
    "prompt_tokens_details": {"cached_tokens": 40}, "completion_tokens_details": {"reasoning_tokens": 20},
}  # fmt: skip
COST = 60 * 150 + 40 * 75 + 50 * 600
OPENED = LedgerEntry(
    id="req_1", at=ENTRY.at, project="acme", key_id="k", end_user="ada", route="chat", model="gpt-4o-mini",
    provider="openai", outcome="ok", cache="miss", stream=False,
)  # fmt: skip


@pytest.fixture(scope="module")
def accountant() -> Accountant:
    return Accountant(Prices(MeteringConfig(), price_list.load()), tokens_per_second=100)


def chunk(text: str) -> bytes:
    return sse.encode(json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode())


def outcome(**fields: Any) -> Outcome:
    return Outcome(**{"usage": json.dumps(USAGE).encode(), "model": "gpt-4o-mini", "events": (b"{}",), **fields})


def line(accountant: Accountant, ended: Outcome, route: Endpoint = endpoints.CHAT, body: Any = BODY) -> LedgerEntry:
    return accountant.upstream_entry(OPENED, ended, route=route, body=body, seconds=1.2345)


def test_an_answer_costs_what_the_upstream_counted(accountant: Accountant) -> None:
    written = line(accountant, outcome(first_byte_seconds=0.3216, upstream_request_id="req_up"))
    assert (written.input_tokens, written.cached_tokens, written.output_tokens, written.reasoning_tokens) == (
        100,
        40,
        50,
        20,
    )
    assert (written.cost_nanos, written.saved_nanos, written.estimated) == (COST, 0, False)
    assert (written.outcome, written.served_model, written.upstream_request_id) == ("ok", "gpt-4o-mini", "req_up")
    assert (written.latency_ms, written.first_byte_ms) == (1234, 322)
    kept = ("id", "at", "project", "key_id", "end_user", "route", "model", "provider", "cache", "stream")
    assert [getattr(written, name) for name in kept] == [getattr(OPENED, name) for name in kept]


def test_the_model_that_answered_sets_the_price(accountant: Accountant) -> None:
    dear = line(accountant, outcome(model="gpt-4o"))
    assert (dear.model, dear.served_model) == ("gpt-4o-mini", "gpt-4o")
    assert dear.cost_nanos > 10 * COST
    assert line(accountant, outcome(model=None)).cost_nanos == COST


def test_the_tier_that_answered_sets_the_price_too(accountant: Accountant) -> None:
    assert (
        line(accountant, outcome(service_tier="priority")).cost_nanos
        >= line(accountant, outcome(service_tier="default")).cost_nanos
    )


@pytest.mark.parametrize(
    ("route", "said"),
    [
        (endpoints.CHAT, (chunk("High tide is "), chunk("at noon."))),
        (endpoints.RESPONSES, (sse.encode(b'{"type":"response.output_text.delta","delta":"High tide is at noon."}'),)),
        (endpoints.CHAT, (b'{"choices":[{"message":{"content":"High tide is at noon."}}]}',)),
    ],
)
def test_what_the_upstream_did_not_count_is_estimated(
    accountant: Accountant, route: Endpoint, said: tuple[bytes, ...]
) -> None:
    written = line(accountant, outcome(usage=None, events=said), route)
    assert written.estimated
    assert 5 <= written.output_tokens <= 8
    assert written.input_tokens >= 5
    assert written.cost_nanos > 0


@pytest.mark.parametrize(
    ("error", "said", "sent", "charged"),
    [
        pytest.param(TruncatedAnswer(), (chunk("High"),), True, True, id="cut off half-way"),
        pytest.param(ErrorInStream(), (chunk("High"),), True, True, id="failed half-way"),
        pytest.param(ClientDisconnected(), (chunk("High"),), True, True, id="left half-way"),
        pytest.param(ClientDisconnected(), (), True, True, id="left before the first word"),
        pytest.param(ClientDisconnected(), (), False, False, id="left before it was sent"),
        pytest.param(ConnectionFailed(), (), False, False, id="never reached"),
        pytest.param(ErrorInStream(), (), True, False, id="refused"),
        pytest.param(ErrorInStream(), (chunk(""),), True, False, id="refused in its stream"),
        pytest.param(FirstByteTimeout(), (), True, True, id="never answered"),
        pytest.param(ConnectTimeout(), (), True, False, id="never connected"),
        pytest.param(MalformedAnswer(), (), True, True, id="not understood"),
        pytest.param(TruncatedAnswer(), (), True, True, id="a whole answer, cut off"),
    ],
)
def test_a_call_that_failed_is_charged_where_the_upstream_may_have_worked(
    accountant: Accountant, error: TidegateError, said: tuple[bytes, ...], sent: bool, charged: bool
) -> None:
    written = line(accountant, Outcome(error=error, reported_error=error, events=said, sent=sent, stream=True))
    assert written.outcome == error.name
    assert (written.cost_nanos > 0) is written.estimated is charged


def test_a_failure_that_was_counted_costs_what_was_counted(accountant: Accountant) -> None:
    written = line(accountant, outcome(error=TruncatedAnswer(), reported_error=TruncatedAnswer()))
    assert (written.outcome, written.cost_nanos) == ("truncated_answer", COST)


def test_a_complete_answer_that_says_it_failed_is_no_success(accountant: Accountant) -> None:
    assert line(accountant, outcome(reported_error=ErrorInStream())).outcome == "error_in_stream"


@pytest.mark.parametrize("usage", [None, json.dumps(USAGE).encode()])
def test_moderations_are_free(accountant: Accountant, usage: bytes | None) -> None:
    written = line(accountant, outcome(usage=usage), endpoints.MODERATIONS, {"input": "x"})
    assert (written.cost_nanos, written.estimated) == (0, False)


@pytest.mark.parametrize(
    "usage",
    [
        b"null",
        b"[]",
        b"{",
        b"{}",
        b"NaN",
        b'{"prompt_tokens":0,"completion_tokens":0}',
        b'{"prompt_tokens":-5,"completion_tokens":"x"}',
        b'{"prompt_tokens":1.5,"completion_tokens":2.5}',
        b'{"prompt_tokens":1000000000000000000000000000000,"completion_tokens":1}',
        b'{"prompt_tokens":1,"completion_tokens":1e300}',
    ],
)
def test_nonsense_for_usage_is_no_usage(accountant: Accountant, usage: bytes) -> None:
    """An answer without any input tokens is impossible, so such a figure is ignored."""
    nonsense = line(accountant, outcome(usage=usage, events=(chunk("High tide is at noon."),)))
    assert nonsense == line(accountant, outcome(usage=None, events=(chunk("High tide is at noon."),)))
    assert nonsense.cost_nanos > 0


def test_an_answer_with_text_has_output_whatever_its_figure_says(accountant: Accountant) -> None:
    told = line(
        accountant, outcome(usage=b'{"prompt_tokens":100,"completion_tokens":0}', events=(chunk("High tide."),))
    )
    silent = line(accountant, outcome(usage=b'{"prompt_tokens":100,"completion_tokens":0}', events=()))

    assert (told.input_tokens, told.estimated) == (100, True)
    assert told.output_tokens >= 3
    assert (silent.output_tokens, silent.estimated) == (0, False)


def test_tokens_written_to_the_cache_are_told(accountant: Accountant) -> None:
    usage = {
        "prompt_tokens": 10_000,
        "completion_tokens": 100,
        "prompt_tokens_details": {"cached_tokens": 2000, "cache_write_tokens": 7000},
    }
    written = line(accountant, outcome(usage=json.dumps(usage).encode(), model="gpt-5.6-sol"))

    assert (written.cached_tokens, written.cache_write_tokens) == (2000, 7000)
    assert written.cost_nanos == 41_800_000


def test_searches_are_charged_beside_the_tokens(accountant: Accountant) -> None:
    """Three searches at 10 USD per 1,000, on top of 0.00032 USD of tokens."""
    search = {"type": "web_search_call", "status": "completed", "action": {"type": "search"}}
    usage = {"input_tokens": 176, "output_tokens": 10, "total_tokens": 186}
    answer = {"status": "completed", "output": [search] * 3, "usage": usage, "model": "gpt-5"}
    body = {"model": "gpt-5", "input": "When is high tide?", "tools": [{"type": "web_search"}]}
    ended = outcome(usage=json.dumps(usage).encode(), model="gpt-5", events=(json.dumps(answer).encode(),))

    written = line(accountant, ended, endpoints.RESPONSES, body)

    assert (written.cost_nanos, written.fee_nanos) == (30_320_000, 30_000_000)
    assert (written.unpriced, written.estimated) == (False, False)


def test_a_call_without_a_known_price_says_so(accountant: Accountant) -> None:
    unknown = line(accountant, outcome(model="llama-99", target_model="llama-99", provider="own"))
    tea = {"output": [{"type": "tea_making_call"}], "status": "completed"}
    body = {"model": "gpt-5", "input": "Tea?", "tools": [{"type": "tea_making"}]}
    tool = line(accountant, outcome(model="gpt-5", events=(json.dumps(tea).encode(),)), endpoints.RESPONSES, body)
    refused = line(accountant, Outcome(error=ErrorInStream(), reported_error=ErrorInStream(), target_model="llama-99"))

    assert (unknown.unpriced, unknown.cost_nanos) == (True, 0)
    assert tool.unpriced
    assert tool.cost_nanos > 0
    assert not refused.unpriced


def test_a_figure_so_far_is_no_figure_of_what_broke_off(accountant: Accountant) -> None:
    """Some servers send the usage with every chunk, the first one before any text."""
    first = b'{"prompt_tokens":100,"completion_tokens":0}'
    cut = line(accountant, outcome(usage=first, error=TruncatedAnswer(), events=(chunk("High tide is at noon."),)))
    assert (cut.input_tokens, cut.estimated) == (100, True)
    assert cut.output_tokens > 5


def test_what_was_tried_before_is_charged_as_well(accountant: Accountant) -> None:
    silent = Outcome(error=FirstByteTimeout(), reported_error=FirstByteTimeout(), target_model="gpt-4o-mini")
    body = {**BODY, "max_tokens": 10}
    alone, both = (line(accountant, outcome(previous_attempts=before), body=body) for before in ((), (silent, silent)))
    assert both.output_tokens == alone.output_tokens + 2 * 26
    assert both.cost_nanos > alone.cost_nanos + 2 * 26 * 600


@pytest.mark.parametrize(("seconds", "charged"), [(0.01, False), (30.0, True)])
def test_a_connection_that_broke_after_a_while_had_somebody_at_work(
    accountant: Accountant, seconds: float, charged: bool
) -> None:
    lost = Outcome(error=ConnectionFailed(), reported_error=ConnectionFailed(), seconds=seconds)
    assert (line(accountant, lost).cost_nanos > 0) is charged


def test_who_asked_for_the_dear_tier_is_charged_for_it_where_nobody_says(accountant: Accountant) -> None:
    cut = Outcome(error=TruncatedAnswer(), reported_error=TruncatedAnswer(), target_model="gpt-4.1")
    opened = msgspec.structs.replace(OPENED, at=1_795_780_800.0)  # the price list has its price by then
    dear, usual = (
        accountant.upstream_entry(
            opened, cut, route=endpoints.CHAT, body={**BODY, "service_tier": tier}, seconds=1.0
        ).cost_nanos
        for tier in ("priority", "default")
    )
    assert dear > usual


@pytest.mark.parametrize(("error", "name"), [(None, "ok"), (ClientDisconnected(), "client_disconnected")])
def test_a_call_that_was_given_anothers_answer_says_what_it_saved(error: TidegateError | None, name: str) -> None:
    written = joined_entry(OPENED, saved_nanos=COST, served_by="azure/eu/4o", error=error, seconds=0.25)
    assert (written.provider, written.served_model) == ("azure", "eu/4o")
    assert (written.outcome, written.cost_nanos, written.saved_nanos, written.latency_ms) == (name, 0, COST, 250)
    assert (written.id, written.project, written.input_tokens) == (OPENED.id, OPENED.project, 0)
