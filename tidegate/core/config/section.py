"""What all sections of the configuration have in common."""

from pydantic import BaseModel, ConfigDict


class ConfigError(Exception):
    """The configuration cannot be used; the message names the key, the reason and the remedy."""


class Section(BaseModel):
    """One table of the file: frozen, and without a key that nobody knows."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
