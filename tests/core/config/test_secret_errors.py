"""Each failure of a secret is an error of the configuration, with a name of its own."""

from tidegate.core.config import ConfigError
from tidegate.core.config.secret_errors import SecretError, SecretRefused, SecretSourceUnavailable, SecretUnusable


def test_each_failure_has_a_name() -> None:
    kinds = [SecretError, SecretRefused, SecretSourceUnavailable, SecretUnusable]
    assert len({kind.name for kind in kinds}) == len(kinds)
    assert all(issubclass(kind, ConfigError) for kind in kinds)
