"""Reasoning that an upstream cannot open is left out, and only where it says so."""

from typing import Any

import msgspec
import pytest

from tests.routing.fake_provider import FakeExchange, FakeProvider, error_answer
from tests.routing.fake_slot import FakeSlot
from tidegate.core import endpoints
from tidegate.core.clock import ManualClock
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import TidegateError, UpstreamErrorDetail, UpstreamRejected
from tidegate.providers.base import ProviderRequest
from tidegate.providers.openai_family.encrypted_reasoning import without_encrypted_reasoning
from tidegate.providers.request_body import joined
from tidegate.providers.target import Target
from tidegate.routing.attempt import Attempt

SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
OPEN = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]}
HELLO = {"role": "user", "content": "Hello"}
SAYS = "The encrypted content for item rs_1 could not be verified. Reason: item_id did not match."
ANSWER = b'{"id":"resp_1","object":"response","status":"completed","output":[]}'


UNHEARD_OF = "Encrypted content is not supported with this model."
INCLUDE = "reasoning.encrypted_content"


def fitted(given: Any, route: Endpoint = endpoints.RESPONSES, **fields: Any) -> ProviderRequest:
    body = msgspec.json.encode({"model": "m", "input": given, **fields})
    return ProviderRequest(target=Target("openai", "m"), endpoint=route, url="", body=body, stream=False)


def refused(**words: Any) -> UpstreamRejected:
    return UpstreamRejected(upstream_detail=UpstreamErrorDetail(**{"status": 400, "message": "No.", **words}))


@pytest.mark.parametrize("error", [refused(code="invalid_encrypted_content"), refused(message=SAYS)])
def test_only_what_is_sealed_is_left_out_and_it_is_told(error: TidegateError) -> None:
    opened = without_encrypted_reasoning(fitted([SEALED, HELLO, OPEN], store=False), error)
    assert opened is not None
    assert msgspec.json.decode(joined(opened.body)) == {"model": "m", "input": [HELLO, OPEN], "store": False}
    assert opened.adaptations == ("reasoning: encrypted for another account",)


def test_a_model_without_reasoning_is_not_asked_for_it() -> None:
    plain = without_encrypted_reasoning(fitted("Hello", include=["x", INCLUDE]), refused(message=UNHEARD_OF))
    assert plain is not None
    assert msgspec.json.decode(joined(plain.body))["include"] == ["x"]
    assert plain.adaptations == ("include: no encrypted reasoning",)


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
def test_any_other_refusal_is_one(same: ProviderRequest, error: TidegateError) -> None:
    assert without_encrypted_reasoning(same, error) is None


def attempt(provider: FakeProvider, given: Any) -> Attempt:
    turn, clock = FakeSlot(), ManualClock()
    return Attempt(fitted(given), provider.credentials[0], provider=provider, headers={}, slot=turn, clock=clock)


async def test_a_turn_that_brings_anothers_reasoning_is_answered_without_it() -> None:
    answered = FakeExchange(ANSWER, headers={"content-type": "application/json"})
    provider = FakeProvider("azure").answers(
        error_answer(400, code="invalid_encrypted_content"), lambda: _given(answered)
    )
    here = attempt(provider, [SEALED, HELLO])
    await here.open()
    assert here.last_events == [ANSWER]
    assert b"encrypted_content" not in joined(here.request.body)
    assert len(provider.sent_to) == 2


async def test_it_is_tried_once_and_not_where_nothing_can_be_left_out() -> None:
    for given, tries in (([SEALED], 2), ([HELLO], 1)):
        provider = FakeProvider("azure").answers(error_answer(400, code="invalid_encrypted_content"))
        with pytest.raises(UpstreamRejected):
            await attempt(provider, given).open()
        assert len(provider.sent_to) == tries


async def _given(exchange: FakeExchange) -> FakeExchange:
    return exchange
