"""Takes steps of the schema back, which the product never does."""

from pathlib import Path

import psycopg

MIGRATIONS = Path(__file__).parents[3] / "tidegate" / "storage" / "migrations"


def take_back(url: str, *, after: str = "") -> None:
    """Take back all steps after this one, the last one first."""
    with psycopg.connect(url, autocommit=True) as database:
        rows = database.execute("SELECT migration_id FROM _yoyo_migration WHERE migration_id > %s", [after]).fetchall()
        for (name,) in sorted(rows, reverse=True):
            text = (MIGRATIONS / f"{name}.rollback.sql").read_text()
            for statement in text.split(";\n") if text.startswith("-- transactional: false") else [text]:
                if statement.strip():
                    database.execute(statement.encode())
            database.execute("DELETE FROM _yoyo_migration WHERE migration_id = %s", [name])
