"""Why a secret cannot be used. Each error names the reference and the cause, never the secret."""

from typing import ClassVar

from tidegate.core.config.section import ConfigError


class SecretError(ConfigError):
    """A secret cannot be used."""

    name: ClassVar[str] = "secret_error"
    """Identifies the failure in logs and metrics."""


class SecretUnusable(SecretError):
    """The place holds nothing that can be a secret."""

    name = "secret_unusable"


class SecretRefused(SecretError):
    """The place does not exist, or may not be read. The reference or the permissions must be changed."""

    name = "secret_refused"


class SecretSourceUnavailable(SecretError):
    """The source did not answer, or not with what it documents. A later try may succeed."""

    name = "secret_source_unavailable"
