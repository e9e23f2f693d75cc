"""`[secrets]`: how often the places of secrets are read again, and other addresses of their services."""

from pydantic import Field

from tidegate.core.config.section import Section


class SecretsConfig(Section):
    """How often the places of secrets are read again, and other addresses of their services."""

    refresh_seconds: float = Field(default=300.0, ge=1)
    """Between two reads of a secret from a service, which bills each; files are looked at every second."""
    aws_url: str | None = None
    """Another address of Amazon Secrets Manager, such as a private endpoint."""
    google_url: str | None = None
    """Another address of Google Secret Manager, such as a private endpoint."""
    azure_url: str | None = None
    """Another address of the Key Vaults, such as a private endpoint."""
