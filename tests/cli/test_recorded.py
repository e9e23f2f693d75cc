"""Commands that open no stores by themselves are recorded, too; a migration that made the table is its first line."""

import json
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.cli.conftest import Tidegate

NAME = "tidegate_migrated_here"


def test_a_migration_is_recorded(tidegate: Tidegate, database_url: str) -> None:
    url = urlsplit(database_url)._replace(path=f"/{NAME}").geturl()
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {NAME}")
        admin.execute(f"CREATE DATABASE {NAME} TEMPLATE template0 ENCODING 'UTF8'")
        try:
            assert "Applied" in tidegate("migrate", TIDEGATE_DATABASE_URL=url).output
            shown = tidegate("audit", "show", "--json", TIDEGATE_DATABASE_URL=url)
        finally:
            admin.execute(f"DROP DATABASE {NAME} WITH (FORCE)")
    (line,) = json.loads(shown.stdout)
    assert (line["action"], line["outcome"]) == ("migrate", "done")


def test_an_act_that_failed_says_so(tidegate: Tidegate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-used")
    changed = {"TIDEGATE_UPSTREAM__API_KEY": "aws-sm:openai", "TIDEGATE_SECRETS__AWS_URL": "http://127.0.0.1:1"}
    assert tidegate("secrets", "rotate", "aws-sm:openai", typed="sk-new-0123456789", **changed).exit_code != 0
    (line,) = json.loads(tidegate("audit", "show", "--json").stdout)
    assert (line["action"], line["outcome"]) == ("secrets.rotate", "failed")
    assert "sk-new" not in str(line)
