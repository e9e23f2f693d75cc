"""The report on a secret has its place, version and fingerprint, or why it cannot be read; never its value."""

from tidegate.core.config import Settings
from tidegate.core.config.secret_errors import SecretSourceUnavailable
from tidegate.core.config.secret_reference import SecretReference
from tidegate.secrets.check import IN_CONFIGURATION, check_secrets
from tidegate.secrets.sources.reading import SecretReading


def read(reference: SecretReference) -> SecretReading:
    if reference.kind == "aws-sm":
        raise SecretSourceUnavailable(f"The secret {reference} cannot be read: it did not answer.")
    return SecretReading("sk-hidden", "7", 1_790_000_000.0)


def test_each_secret_has_its_status() -> None:
    settings = Settings.model_validate(
        {
            "database_url": "postgresql://u:hidden@base",
            "redis_url": "aws-sm:redis",
            "upstream": {"api_key": "file:key"},
        }
    )
    database, redis, upstream = (status for status, _ in check_secrets(settings, read))
    assert (database.place, database.is_well) == (IN_CONFIGURATION, True)
    assert (redis.place, redis.is_well, "did not answer" in redis.error) == ("aws-sm:redis", False, True)
    assert (upstream.version, upstream.created_at, upstream.is_well) == ("7", 1_790_000_000.0, True)
    assert "hidden" not in repr((database, redis, upstream))
