"""The process that starts the workers tells all of them what is new, and starts new ones with what is in use."""

import multiprocessing
from collections.abc import Iterator
from random import SystemRandom

import pytest
from pydantic import SecretStr

from tests.eventually import wait_until
from tidegate.core.clock import SystemClock
from tidegate.core.config import Settings
from tidegate.core.config.secret_reference import ReferredSecret, SecretReference
from tidegate.core.process.supervisor import READY, WorkerProcess
from tidegate.secrets.replica import ReplicaWatch
from tidegate.secrets.sources.reading import SecretReading
from tidegate.secrets.watch import SecretReport, SecretWatch
from tidegate.secrets.worker_link import ReadSecret, SecretInUse

REFERENCE = SecretReference("aws-sm", "openai")
OLD = ReferredSecret("sk-one", REFERENCE)


@pytest.fixture
def told() -> list[SecretReport]:
    return []


@pytest.fixture
def replica(told: list[SecretReport]) -> Iterator[ReplicaWatch]:
    watch = SecretWatch(
        [OLD], lambda _: SecretReading("sk-two", "2"), every=300.0, clock=SystemClock(), random=SystemRandom()
    )
    settings = Settings().model_copy(update={"upstream": Settings().upstream.model_copy(update={"api_key": OLD})})
    replica = ReplicaWatch(watch, settings)
    replica.start(told.append)
    yield replica
    replica.close()


def worker() -> tuple[WorkerProcess, multiprocessing.connection.Connection]:
    mine, its = multiprocessing.Pipe()
    return WorkerProcess(multiprocessing.current_process(), mine), its


async def test_a_worker_that_asks_tells_all_what_is_new(replica: ReplicaWatch, told: list[SecretReport]) -> None:
    first, _ = worker()
    replica.take_message(first, ReadSecret(REFERENCE))
    await wait_until(lambda: len(told) == 1)
    assert told[0].reading == SecretReading("sk-two", "2")


async def test_a_new_worker_begins_with_what_is_in_use_and_hears_of_the_rest(
    replica: ReplicaWatch, told: list[SecretReport]
) -> None:
    first, _ = worker()
    replica.take_message(first, ReadSecret(REFERENCE))
    await wait_until(lambda: len(told) == 1)
    assert replica.settings.upstream.api_key == OLD, "a key that no worker has probed may be a bad one"
    second, its = worker()
    replica.take_message(second, READY)
    assert its.recv() == told[0]
    replica.take_message(second, SecretInUse(told[0]))
    assert isinstance(replica.settings.upstream.api_key, SecretStr)
    assert replica.settings.upstream.api_key.get_secret_value() == "sk-two"
