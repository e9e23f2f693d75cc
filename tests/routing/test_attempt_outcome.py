"""What became of an attempt is told whole to the ledger; its events only where the caller got them."""

import pytest

from tests.routing.fake_provider import FakeProvider, whole_answer
from tests.routing.fake_slot import FakeSlot
from tidegate.core import endpoints, errors
from tidegate.core.clock import ManualClock
from tidegate.core.errors import TidegateError
from tidegate.core.values import Outcome
from tidegate.providers.base import ProviderRequest
from tidegate.providers.target import Target
from tidegate.routing.attempt import Attempt
from tidegate.routing.attempt_outcome import attempt_outcome
from tidegate.routing.fallback_policy import FallbackStep, SendTo

TARGET = Target("openai", "m")


async def outcome(error: TidegateError | None, *, is_passed_on: bool) -> Outcome:
    provider = FakeProvider("openai").answers(whole_answer("Hi"))
    credential = provider.credentials[0]
    request = ProviderRequest(
        target=TARGET, endpoint=endpoints.CHAT, url="", body=b"{}", stream=False, adaptations=("max_tokens",)
    )
    attempt = Attempt(request, credential, provider=provider, headers={}, slot=FakeSlot(), clock=ManualClock())
    await attempt.open()
    send_to = SendTo(target=TARGET, credential=credential, fallback_step=FallbackStep.RETRY)
    return attempt_outcome(send_to, attempt, error, is_passed_on=is_passed_on)


@pytest.mark.parametrize("is_passed_on", [True, False])
async def test_an_answer_names_who_gave_it_and_what_it_used(is_passed_on: bool) -> None:
    said = await outcome(None, is_passed_on=is_passed_on)
    assert (said.provider, said.target_model, said.fallback_step) == ("openai", "m", "retry")
    assert (said.sent, said.storable, said.adaptations) == (True, True, ("max_tokens",))
    assert said.usage is not None
    assert len(said.events) == is_passed_on


async def test_a_failure_is_reported_and_never_stored() -> None:
    error = errors.UpstreamServerError()
    said = await outcome(error, is_passed_on=False)
    assert (said.error, said.reported_error, said.storable, said.events) == (error, error, False, ())
