"""`[auth]`: the admin key that the configuration gives."""

from pydantic import SecretStr, field_validator

from tidegate.core.config.secret_reference import check_reference, is_reference
from tidegate.core.config.section import Section


class AuthConfig(Section):
    """The admin key that the configuration gives."""

    admin_key: SecretStr | None = None
    """The place of an admin key, such as `env:NAME` or `file:PATH`. It administers the gateway before any other key."""

    @field_validator("admin_key")
    @classmethod
    def _is_a_place(cls, value: SecretStr | None) -> SecretStr | None:
        check_reference(value)
        if value is not None and not is_reference(value.get_secret_value()):
            raise ValueError("it is the place of a key, written as env:NAME or file:PATH, not the key itself")
        return value
