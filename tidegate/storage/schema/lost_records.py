"""Recognises a step that was applied although its record is missing. Used by `migrate.py`.

Releases before this one wrote a step and its record in two transactions. A process that was killed between them left a
database on which each later run failed. The steps up to the one in question are applied to an empty schema, in a
transaction that is rolled back. If everything in it is in the database too, the step was applied.
"""

import secrets

import asyncpg

from tidegate.storage.postgres import Connection, queries
from tidegate.storage.schema.steps import SchemaStep, all_steps


async def is_applied(connection: Connection, step: SchemaStep) -> bool:
    """Return whether the database has everything that the steps up to and including `step` make."""
    sql = queries("lost_records")
    schema = f"tidegate_{secrets.token_hex(8)}"
    trial = connection.transaction()
    await trial.start()
    try:
        actual = await _parts(connection, await connection.fetchval(sql["current_schema"]))
        await connection.execute(f"CREATE SCHEMA {schema}; SET LOCAL search_path TO {schema}")
        for each in all_steps():
            if each.is_transactional and each.name <= step.name:
                await connection.execute(each.sql)
        expected = await _parts(connection, schema)
    except asyncpg.PostgresError:  # what hinders the step hinders the trial as well
        return False
    finally:
        await trial.rollback()
    return expected <= actual


async def _parts(connection: Connection, schema: str) -> frozenset[tuple[str, ...]]:
    """Return the kind, the name and the definition of everything in a schema, without the schema's name."""
    rows = await connection.fetch(queries("lost_records")["parts"], schema)
    return frozenset((row["kind"], row["name"], row["definition"].replace(f"{schema}.", "")) for row in rows)
