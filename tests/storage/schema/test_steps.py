"""The steps of the schema are read in order, and each can be applied again after a kill."""

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


@pytest.mark.parametrize("step", [step for step in STEPS if not step.is_transactional], ids=lambda step: step.name)
def test_what_is_no_transaction_removes_what_was_begun_before(step: SchemaStep) -> None:
    first, *others = step.statements
    assert "DROP INDEX CONCURRENTLY IF EXISTS" in first
    assert all(statement.startswith("CREATE INDEX CONCURRENTLY") for statement in others)


def test_only_an_index_is_built_outside_a_transaction() -> None:
    assert all(step.is_transactional != ("CONCURRENTLY" in step.sql) for step in STEPS)
