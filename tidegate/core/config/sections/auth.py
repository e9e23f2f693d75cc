"""`[auth]`: the admin key that the configuration gives."""

from pydantic import field_validator

from tidegate.core.config.secret_reference import is_reference
from tidegate.core.config.section import Section


class AuthConfig(Section):
    """The admin key that the configuration gives."""

    admin_key: str | None = None
    """The place of an admin key, `env:NAME` or `file:PATH`. It administers the gateway before any other key exists."""

    @field_validator("admin_key")
    @classmethod
    def _is_a_place(cls, value: str | None) -> str | None:
        if value is not None and not is_reference(value):
            raise ValueError("it is the place of a key, written as env:NAME or file:PATH, not the key itself")
        return value
