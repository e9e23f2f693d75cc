"""`tidegate migrate` says what it applied, and in one sentence why it could not."""

from pathlib import Path

import typer
from typer.testing import CliRunner

from tidegate.cli.commands.migrate import migrate
from tidegate.storage.embedded import StoreUrls

MIGRATIONS = Path(__file__).parents[3] / "tidegate" / "storage" / "migrations"


def run(*options: str, **environment: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(migrate)
    result = CliRunner().invoke(app, list(options), env=environment)
    return result.exit_code, result.output.strip()


def test_an_embedded_database_is_made_and_then_up_to_date(open_folder: Path) -> None:
    folder = str(open_folder)
    steps = sorted(step.stem for step in MIGRATIONS.glob("*.sql") if ".rollback." not in step.name)
    assert run(TIDEGATE_DATA_DIR=folder) == (0, f"Applied {', '.join(steps)}.")
    assert run(TIDEGATE_DATA_DIR=folder) == (0, "The database is up to date.")


def test_a_given_database_is_up_to_date(clean_stores: StoreUrls) -> None:
    urls = {"TIDEGATE_DATABASE_URL": clean_stores.database_url, "TIDEGATE_REDIS_URL": clean_stores.redis_url}
    assert run(**urls) == (0, "The database is up to date.")


def test_no_database_is_one_sentence_without_the_password() -> None:
    url = "postgresql://nobody:hidden@127.0.0.1:1/none"
    code, output = run(TIDEGATE_DATABASE_URL=url, TIDEGATE_REDIS_URL="redis://127.0.0.1:1")
    assert code == 75
    assert output.startswith("PostgreSQL cannot be used: ")
    assert "\n" not in output
    assert "hidden" not in output


def test_a_check_tells_what_is_missing_and_applies_nothing(open_folder: Path) -> None:
    folder = str(open_folder)
    code, output = run("--check", TIDEGATE_DATA_DIR=folder)
    assert (code, output[:29]) == (1, "The database lacks 0001.keys,")
    assert output.endswith("Run `tidegate migrate`.")
    assert run(TIDEGATE_DATA_DIR=folder)[1].startswith("Applied 0001.keys,")
    assert run("--check", TIDEGATE_DATA_DIR=folder) == (0, "The database is up to date.")


def test_a_dry_run_prints_the_sql_and_applies_nothing(open_folder: Path) -> None:
    folder = str(open_folder)
    code, output = run("--dry-run", TIDEGATE_DATA_DIR=folder)
    assert code == 0
    assert output.startswith("-- 0001.keys\n")
    assert (MIGRATIONS / "0011.ledger_by_day.sql").read_text() in output
    assert run("--check", TIDEGATE_DATA_DIR=folder)[0] == 1
