"""What all sections of the configuration have in common."""

from pydantic import BaseModel, ConfigDict


class ConfigError(Exception):
    """The configuration is not valid; the message names the key, the reason and the remedy."""


class Section(BaseModel):
    """One table of the configuration file: immutable, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
