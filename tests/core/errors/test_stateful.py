"""The errors of synchronous responses have OpenAI's messages."""

import pytest

from tidegate.core import errors
from tidegate.core.errors import CallerError


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (errors.NotStreamable, "This response cannot be streamed because it was not created with background=true."),
        (errors.NotCancellable, "Cannot cancel a synchronous response."),
    ],
)
def test_the_message_is_openais(kind: type[CallerError], message: str) -> None:
    assert kind().message == message
    assert kind.code == kind.name
    assert not kind.retryable


def test_a_contradiction_has_the_code_that_clients_know() -> None:
    assert errors.MutuallyExclusive.code == "mutually_exclusive_parameters"
    assert errors.UnsupportedParameter.code == "unsupported_parameter"
