"""Reasoning that an upstream cannot open is left out, and only where it says so."""

from typing import Any

import msgspec
import pytest

from tests.routing.played import PlayedExchange, PlayedProvider, refusal
from tests.routing.turns import PlayedTurn
from tidegate.core import endpoints
from tidegate.core.clock import ManualClock
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import TidegateError, UpstreamRejected, UpstreamWords
from tidegate.providers.base import Fitted
from tidegate.providers.encrypted_reasoning import mended
from tidegate.providers.target import Target
from tidegate.routing.attempt import Attempt

SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
OPEN = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]}
HELLO = {"role": "user", "content": "Hello"}
SAYS = "The encrypted content for item rs_1 could not be verified. Reason: item_id did not match."
ANSWER = b'{"id":"resp_1","object":"response","status":"completed","output":[]}'


UNHEARD_OF = "Encrypted content is not supported with this model."
INCLUDE = "reasoning.encrypted_content"


def fitted(given: Any, route: Endpoint = endpoints.RESPONSES, **fields: Any) -> Fitted:
    body = msgspec.json.encode({"model": "m", "input": given, **fields})
    return Fitted(target=Target("openai", "m"), route=route, body=body, stream=False)


def refused(**words: Any) -> UpstreamRejected:
    return UpstreamRejected(words=UpstreamWords(**{"status": 400, "message": "No.", **words}))


@pytest.mark.parametrize("error", [refused(code="invalid_encrypted_content"), refused(message=SAYS)])
def test_only_what_is_sealed_is_left_out_and_it_is_told(error: TidegateError) -> None:
    opened = mended(fitted([SEALED, HELLO, OPEN], store=False), error)
    assert opened is not None
    assert msgspec.json.decode(opened.body) == {"model": "m", "input": [HELLO, OPEN], "store": False}
    assert opened.adapted == ("reasoning: sealed by another",)


def test_a_model_without_reasoning_is_not_asked_for_it() -> None:
    plain = mended(fitted("Hello", include=["x", INCLUDE]), refused(message=UNHEARD_OF))
    assert plain is not None
    assert msgspec.json.decode(plain.body)["include"] == ["x"]
    assert plain.adapted == ("include: no sealed reasoning",)


@pytest.mark.parametrize(
    ("same", "error"),
    [
        (fitted([HELLO, OPEN]), refused(code="invalid_encrypted_content")),
        (fitted("encrypted_content"), refused(message=SAYS)),
        (fitted([SEALED], endpoints.CHAT), refused(message=SAYS)),
        (fitted([SEALED]), refused(code="invalid_value")),
        (fitted([SEALED]), refused(code="invalid_encrypted_content", status=500)),
        (fitted([SEALED]), TidegateError()),
        (fitted("Hello", include=["x"]), refused(message=UNHEARD_OF)),
        (fitted("Hello"), refused(message=UNHEARD_OF)),
    ],
)
def test_any_other_refusal_is_one(same: Fitted, error: TidegateError) -> None:
    assert mended(same, error) is None


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
