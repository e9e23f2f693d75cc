"""The steps of the schema are read in order, and each can be applied again after a kill."""

import re

import pytest

from tests.storage.schema.taking_back import MIGRATIONS
from tidegate.storage.schema.steps import SchemaStep, all_steps

STEPS = all_steps()


def test_the_steps_are_in_the_order_of_their_numbers_and_each_can_be_taken_back() -> None:
    assert [step.name for step in STEPS] == sorted(step.name for step in STEPS)
    for step in STEPS:
        assert step.sql == (MIGRATIONS / f"{step.name}.sql").read_text()
        assert (MIGRATIONS / f"{step.name}.rollback.sql").exists()


def test_a_record_has_the_key_that_earlier_releases_gave_it() -> None:
    """SHA-256 of the name, as yoyo computes it."""
    assert STEPS[0].name == "0001.keys"
    assert STEPS[0].hash == "78f1176a69b156da71161aabb283c381b20ed3122329eb028e6b6db006049d91"


def name_of(statement: str) -> str:
    """The index that a statement removes or builds."""
    found = re.search(r"INDEX CONCURRENTLY (?:IF EXISTS )?(\w+)", statement)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("step", [step for step in STEPS if not step.is_transactional], ids=lambda step: step.name)
def test_what_is_no_transaction_removes_what_was_begun_before(step: SchemaStep) -> None:
    removed, built = step.statements[::2], step.statements[1::2]
    assert len(removed) in (len(built), 1)
    assert all("DROP INDEX CONCURRENTLY IF EXISTS" in statement for statement in removed)
    assert all(statement.startswith("CREATE INDEX CONCURRENTLY") for statement in built)
    assert [name_of(statement) for statement in removed] == [name_of(statement) for statement in built]


def test_only_an_index_is_built_outside_a_transaction() -> None:
    assert all(step.is_transactional != ("CONCURRENTLY" in step.sql) for step in STEPS)
