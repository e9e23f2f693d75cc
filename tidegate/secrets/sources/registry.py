"""All sources, by the kind of reference that they read."""

from collections.abc import Mapping

from tidegate.core.clock import Clock
from tidegate.core.config.secret_errors import SecretError
from tidegate.core.config.secret_reference import SecretReference
from tidegate.core.config.sections.secrets import SecretsConfig
from tidegate.core.scrub import remember_secret
from tidegate.secrets.sources.aws import AwsSource
from tidegate.secrets.sources.azure import AzureSource
from tidegate.secrets.sources.google import GoogleSource
from tidegate.secrets.sources.local import LocalSource
from tidegate.secrets.sources.reading import SecretReading, SecretSource


class SecretSources:
    """Reads a secret from wherever a reference says that it is."""

    def __init__(self, config: SecretsConfig, environ: Mapping[str, str], clock: Clock) -> None:
        local = LocalSource(environ)
        self._sources: dict[str, SecretSource] = {
            "env": local,
            "file": local,
            "aws-sm": AwsSource(environ, clock, url=config.aws_url),
            "gcp-sm": GoogleSource(environ, clock, url=config.google_url),
            "azure-kv": AzureSource(environ, clock, url=config.azure_url),
        }

    def read(self, reference: SecretReference) -> SecretReading:
        """Return the secret. Raises SecretError, which names the reference and the cause."""
        try:
            reading = self._sources[reference.kind].read(reference)
        except SecretError as error:
            message = str(error)
            raise (
                error if str(reference) in message else type(error)(f"The secret {reference} cannot be read: {message}")
            ) from error
        remember_secret(str(reference), reading.text)
        return reading
