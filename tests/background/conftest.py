"""Processes on real stores."""

from collections.abc import Callable

import pytest

from tests.background.parts import Process, ScriptedRunner
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

Made = Callable[..., Process]


@pytest.fixture
def process(postgres: Postgres, redis_link: RedisLink, redis_prefix: str) -> Made:
    """Makes a process; the arguments are those of `Process`."""

    def made(script: ScriptedRunner | None = None, **options: object) -> Process:
        return Process(postgres, redis_link, redis_prefix, script or ScriptedRunner(), **options)  # type: ignore[arg-type]

    return made
