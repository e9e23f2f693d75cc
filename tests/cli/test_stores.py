"""A command uses the stores it is told of, or the folder's own, and says in one sentence when it cannot."""

from pathlib import Path

import pytest
import typer
from pydantic import SecretStr

from tidegate.cli.stores import exit_on_error, open_migrated_stores, open_stores
from tidegate.core.config import ConfigError, Settings
from tidegate.core.errors import CredentialNotFound, PostgresUnavailable, RedisUnavailable, StatementPooling
from tidegate.storage.embedded import EmbeddedError, StoreUrls
from tidegate.storage.schema.migrate import DatabaseNotUtf8, MigrationFailed, pending


def settings_for(stores: StoreUrls) -> Settings:
    return Settings(database_url=SecretStr(stores.database_url), redis_url=SecretStr(stores.redis_url))


def test_given_stores_are_used(clean_stores: StoreUrls) -> None:
    with open_stores(settings_for(clean_stores)) as stores:
        assert stores == clean_stores
    with open_migrated_stores(settings_for(clean_stores)) as stores:
        assert stores == clean_stores


def test_embedded_stores_start_in_the_data_folder_and_are_migrated(open_folder: Path) -> None:
    with open_migrated_stores(Settings(data_dir=open_folder)) as stores:
        assert pending(stores.database_url) == []
        assert str(open_folder) in stores.redis_url


@pytest.mark.parametrize("settings", [Settings(database_url=SecretStr("x")), Settings(redis_url=SecretStr("x"))])
def test_one_store_without_the_other_is_refused(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="both"), open_stores(settings):
        pass


def test_a_given_database_is_not_migrated_behind_its_owners_back(stores: StoreUrls) -> None:
    with pytest.raises(ConfigError, match=r"0001\.keys.*tidegate migrate"), open_migrated_stores(settings_for(stores)):
        pass


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("why"), 78),
        (StatementPooling("why"), 78),
        (DatabaseNotUtf8("why"), 78),
        (EmbeddedError("why"), 75),
        (PostgresUnavailable("why"), 75),
        (RedisUnavailable("why"), 75),
        (PostgresUnavailable("why").as_refusal(), 1),
        (MigrationFailed("why"), 1),
        (CredentialNotFound("why"), 1),
    ],
)
def test_an_expected_error_is_one_sentence_and_a_code_that_says_whether_to_try_again(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as end, exit_on_error():
        raise error
    assert end.value.exit_code == code
    assert capsys.readouterr() == ("", "why\n")
