"""The caller's errors have OpenAI's types and codes; only limits that pass may be retried."""

import pytest

from tidegate.core import errors
from tidegate.core.errors import CallerError, InvalidApiKey

EVERY = [
    kind for name in errors.__all__ if isinstance(kind := getattr(errors, name), type) and issubclass(kind, CallerError)
]


PASSING = {
    "AnswerMemoryExceeded",
    "BackgroundQueueFull",
    "BudgetReserved",
    "CallerRateLimited",
    "ConversationLocked",
    "MemoryShareExceeded",
    "TooManyLogins",
    "TooManyPages",
    "TooManySessions",
    "WebSocketQueueFull",
    "TooManyWebSockets",
}
LIMITS = {
    "BackgroundQueueFull": "requests",
    "WebSocketQueueFull": "requests",
    "TooManySessions": "server_error",
    "TooManyWebSockets": "server_error",
    "CallerRateLimited": "invalid_request_error",
    "RequestExceedsLimit": "tokens",
    "BudgetExceeded": "insufficient_quota",
    "BudgetReserved": "insufficient_quota",
}


@pytest.mark.parametrize("kind", EVERY)
def test_trying_again_helps_only_where_a_limit_passes(kind: type[CallerError]) -> None:
    assert kind.retryable is (kind.__name__ in PASSING)
    assert kind.type == LIMITS.get(kind.__name__, "invalid_request_error")


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.InvalidApiKey, "invalid_api_key"),
        (errors.ExpiredApiKey, "expired_api_key"),
        (errors.RevokedApiKey, "revoked_api_key"),
        (errors.ReplacedApiKey, "replaced_api_key"),
        (errors.ModelNotAllowed, "model_not_found"),
        (errors.UnknownRoute, "unknown_url"),
        (errors.EmptyBody, "empty_body"),
        (errors.BodyNotJson, "body_not_json"),
        (errors.HistoryTooLarge, "context_length_exceeded"),
        (errors.AdminKeyRequired, "insufficient_permissions"),
    ],
)
def test_the_code_is_the_one_clients_know(kind: type[CallerError], code: str | None) -> None:
    assert kind.code == code


def test_an_expired_and_a_revoked_key_are_invalid_keys() -> None:
    assert issubclass(errors.ExpiredApiKey, InvalidApiKey)
    assert issubclass(errors.RevokedApiKey, InvalidApiKey)


@pytest.mark.parametrize(
    "kind", [errors.MissingApiKey, errors.InvalidApiKey, errors.ExpiredApiKey, errors.RevokedApiKey]
)
def test_a_refused_key_is_told_how_to_get_one(kind: type[CallerError]) -> None:
    assert "tidegate keys create" in kind().message
