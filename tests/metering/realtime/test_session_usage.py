"""What sessions used costs what the price list says, by kind of token; what has no price is marked."""

import pytest

from tidegate.core.config import MeteringConfig
from tidegate.core.errors import PriceUnknown
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.values import Usage
from tidegate.metering import price_list
from tidegate.metering.prices import Prices
from tidegate.metering.realtime.session_usage import RealtimeAccountant, UsedTokens, is_in_seconds, stated_usage

ENTRY = LedgerEntry(
    id="r-1", at=0.0, project="p", key_id="k", end_user=None, route="realtime", model="gpt-realtime", outcome="ok",
    cache="off", stream=True,
)  # fmt: skip
STATED = (
    b'{"total_tokens":253,"input_tokens":132,"output_tokens":121,"input_token_details":{"text_tokens":119,'
    b'"audio_tokens":13,"image_tokens":0,"cached_tokens":64,"cached_tokens_details":{"text_tokens":64,"audio_tokens":0,'
    b'"image_tokens":0}},"output_token_details":{"text_tokens":30,"audio_tokens":91}}'
)
"""The example of OpenAI's reference."""


@pytest.fixture
def accountant() -> RealtimeAccountant:
    return RealtimeAccountant(Prices(MeteringConfig(), price_list.load()))


def test_each_kind_of_token_has_its_price(accountant: RealtimeAccountant) -> None:
    usage = stated_usage(STATED)
    assert usage is not None
    entry = accountant.entry(ENTRY, UsedTokens(usage=usage, model="gpt-realtime", target="openai/gpt-realtime"))
    # text 119, 64 of it cached; audio 13; out: text 30, audio 91
    assert entry.cost_nanos == 55 * 4_000 + 64 * 400 + 13 * 32_000 + 30 * 16_000 + 91 * 64_000
    assert (entry.input_tokens, entry.cached_tokens, entry.output_tokens) == (132, 64, 121)
    assert not entry.unpriced


@pytest.mark.parametrize("raw", [None, b"{}", b"null", b'{"input_tokens":99999999999,"output_tokens":1}'])
def test_what_is_no_usage_is_none(raw: bytes | None) -> None:
    assert stated_usage(raw) is None


def test_seconds_are_no_tokens(accountant: RealtimeAccountant) -> None:
    assert is_in_seconds(b'{"type":"duration","seconds":2.5}')
    assert not is_in_seconds(STATED)
    used = UsedTokens(usage=Usage(), model="whisper-1", target="", is_without_tokens=True)
    assert accountant.entry(ENTRY, used).unpriced


def test_a_model_without_a_price_is_unpriced_and_refused_where_a_budget_applies(accountant: RealtimeAccountant) -> None:
    used = UsedTokens(usage=Usage(input=1, output=1), model="unheard-of", target="")
    assert accountant.entry(ENTRY, used).unpriced
    accountant.check_price("gpt-realtime", ("openai/gpt-realtime",))
    with pytest.raises(PriceUnknown):
        accountant.check_price("unheard-of")


def test_the_most_of_a_response_is_all_audio(accountant: RealtimeAccountant) -> None:
    assert accountant.max_nanos("gpt-realtime", input_tokens=10, output_tokens=10, at=0.0) == 10 * 32_000 + 10 * 64_000
