"""Reasoning that an upstream cannot open is left out, and only where it says so."""

from typing import Any

import msgspec
import pytest

from tests.upstream.played import PlayedExchange, PlayedProvider, refusal
from tests.upstream.turns import PlayedTurn
from tidegate.core.clock import ManualClock
from tidegate.core.errors import TidegateError, UpstreamRejected, UpstreamWords
from tidegate.core.values import Route
from tidegate.upstream.attempt import Attempt
from tidegate.upstream.plan import Target
from tidegate.upstream.provider import Fitted
from tidegate.upstream.sealed import NOTE, is_foreign, unsealed

SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
OPEN = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]}
HELLO = {"role": "user", "content": "Hello"}
SAYS = "The encrypted content for item rs_1 could not be verified. Reason: item_id did not match."
ANSWER = b'{"id":"resp_1","object":"response","status":"completed","output":[]}'


def fitted(given: Any, route: Route = Route.RESPONSES) -> Fitted:
    body = msgspec.json.encode({"model": "m", "input": given, "store": False})
    return Fitted(target=Target("openai", "m"), route=route, body=body, stream=False)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"code": "invalid_encrypted_content", "message": "No."}, True),
        ({"code": None, "message": SAYS}, True),
        ({"code": "invalid_value", "message": "No."}, False),
        ({"code": "invalid_encrypted_content", "message": "No.", "status": 500}, False),
    ],
)
def test_an_upstream_says_that_it_cannot_open_it(words: dict[str, Any], expected: bool) -> None:
    assert is_foreign(UpstreamRejected(words=UpstreamWords(**{"status": 400, **words}))) is expected
    assert not is_foreign(TidegateError())


def test_only_what_is_sealed_is_left_out_and_it_is_told() -> None:
    opened = unsealed(fitted([SEALED, HELLO, OPEN]))
    assert opened is not None
    assert msgspec.json.decode(opened.body) == {"model": "m", "input": [HELLO, OPEN], "store": False}
    assert opened.adapted == (NOTE,)


@pytest.mark.parametrize("same", [fitted([HELLO, OPEN]), fitted("encrypted_content"), fitted([SEALED], Route.CHAT)])
def test_a_call_without_any_stays_as_it_is(same: Fitted) -> None:
    assert unsealed(same) is None


def attempt(provider: PlayedProvider, given: Any) -> Attempt:
    turn, clock = PlayedTurn(), ManualClock()
    return Attempt(fitted(given), provider.credentials[0], provider=provider, headers={}, turn=turn, clock=clock)


async def test_a_turn_that_brings_anothers_reasoning_is_answered_without_it() -> None:
    answered = PlayedExchange(ANSWER, headers={"content-type": "application/json"})
    provider = PlayedProvider("azure").says(refusal(400, code="invalid_encrypted_content"), lambda: _given(answered))
    here = attempt(provider, [SEALED, HELLO])
    await here.open()
    assert here.last == [ANSWER]
    assert b"encrypted_content" not in here.fitted.body
    assert len(provider.asked) == 2


async def test_it_is_tried_once_and_not_where_nothing_can_be_left_out() -> None:
    for given, tries in (([SEALED], 2), ([HELLO], 1)):
        provider = PlayedProvider("azure").says(refusal(400, code="invalid_encrypted_content"))
        with pytest.raises(UpstreamRejected):
            await attempt(provider, given).open()
        assert len(provider.asked) == tries


async def _given(exchange: PlayedExchange) -> PlayedExchange:
    return exchange
