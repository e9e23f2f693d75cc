"""`[auth]` holds the place of an admin key, never the key."""

import pytest
from pydantic import SecretStr, ValidationError

from tidegate.core.config.sections.auth import AuthConfig


def test_no_admin_key_is_the_default() -> None:
    assert AuthConfig().admin_key is None


@pytest.mark.parametrize("place", ["env:ADMIN_KEY", "file:/run/secrets/admin-key"])
def test_a_place_is_taken(place: str) -> None:
    assert AuthConfig(admin_key=SecretStr(place)).admin_key == SecretStr(place)


def test_a_key_in_clear_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValidationError, match="not the key itself") as refusal:
        AuthConfig(admin_key=SecretStr("0123456789abcdef"))
    assert "0123456789abcdef" not in str(refusal.value)
