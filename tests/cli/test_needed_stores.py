"""Each command opens only the stores that it needs, and ends with a sentence in bounded time where one is not there."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from threading import Thread
from typing import Any

import msgspec
import pytest
import typer
from click.testing import Result

from tests.cli.conftest import Tidegate
from tests.storage.strangers import stranger
from tidegate.cli.application import application
from tidegate.cli.stores import Needs

pytestmark = pytest.mark.long

DEAD = {"TIDEGATE_DATABASE_URL": "postgresql://u:hidden@127.0.0.1:1/none", "TIDEGATE_REDIS_URL": "redis://127.0.0.1:1"}
ADDRESS_OF = {Needs.POSTGRES: "TIDEGATE_DATABASE_URL", Needs.REDIS: "TIDEGATE_REDIS_URL"}
LONGEST_SECONDS = 45.0
"""A command waits for a store for ten seconds at most; a busy machine makes that longer."""

COMMANDS: dict[str, tuple[Needs, tuple[str, ...]]] = {
    "alerts mute": (Needs.POSTGRES, ("1h",)),
    "alerts show": (Needs.POSTGRES, ()),
    "alerts unmute": (Needs.POSTGRES, ()),
    "audit show": (Needs.POSTGRES, ()),
    "budgets set": (Needs.POSTGRES, ("--project", "shop", "--tag", "tenant=acme", "--budget-day", "1.00")),
    "budgets show": (Needs.BOTH, ()),
    "calls tail": (Needs.POSTGRES, ("--no-follow",)),
    "cache purge": (Needs.REDIS, ("--project", "shop")),
    "conversations export": (Needs.POSTGRES, ("--project", "shop")),
    "conversations search": (Needs.POSTGRES, ("tide",)),
    "keys create": (Needs.POSTGRES, ("--project", "shop")),
    "keys find": (Needs.POSTGRES, ()),
    "keys list": (Needs.POSTGRES, ()),
    "keys revoke": (Needs.POSTGRES, ("{key}",)),
    "keys rotate": (Needs.POSTGRES, ("{key}", "--overlap", "24h")),
    "keys update": (Needs.POSTGRES, ("{key}", "--rpm", "5")),
    "migrate": (Needs.POSTGRES, ()),
    "objects assign": (Needs.POSTGRES, ("shop", "file-abc123", "--credential", "default")),
    "objects list": (Needs.POSTGRES, ()),
    "projects list": (Needs.POSTGRES, ()),
    "projects show": (Needs.POSTGRES, ("shop",)),
    "projects update": (Needs.POSTGRES, ("shop", "--rpm", "5")),
    "queue jobs": (Needs.POSTGRES, ()),
    "queue show": (Needs.REDIS, ()),
    "semantic audits": (Needs.POSTGRES, ("shop",)),
    "semantic report": (Needs.BOTH, ("shop",)),
    "upstream resume": (Needs.REDIS, ("openai/default",)),
    "upstream show": (Needs.REDIS, ()),
    "upstream suspend": (Needs.REDIS, ("openai/default",)),
    "usage": (Needs.POSTGRES, ()),
    "users forget": (Needs.BOTH, ("shop", "ada", "--yes")),
}
"""Each command, the stores without which it cannot do its work, and its arguments."""

ANNOUNCING = {"budgets set", "keys create", "keys revoke", "keys rotate", "keys update", "projects update", "usage"}
"""They use Redis where it answers, so its address must be configured."""

OTHERS = {
    "run", "serve", "simulate",  # they end when they are stopped
    "config check", "config show", "deploy alarms", "health", "prices", "secrets check",  # they use no store
    "alerts test", "calls show", "secrets rotate", "usage compare",  # they need more than stores
    "doctor",  # it says what is away
}  # fmt: skip


def test_every_command_is_in_the_table() -> None:
    assert set(_names(typer.main.get_command(application()))) == set(COMMANDS) | OTHERS


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_works_while_the_other_store_is_away(tidegate: Tidegate, name: str) -> None:
    needs, _ = COMMANDS[name]
    away = {variable: DEAD[variable] for store, variable in ADDRESS_OF.items() if store not in needs}
    outcome = run(tidegate, name, **away)
    assert outcome.exit_code == 0, outcome.output


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - ANNOUNCING))
def test_the_address_of_a_store_that_is_not_needed_need_not_be_given(tidegate: Tidegate, name: str) -> None:
    needs, _ = COMMANDS[name]
    outcome = run(tidegate, name, **{variable: "" for store, variable in ADDRESS_OF.items() if store not in needs})
    assert outcome.exit_code == 0, outcome.output


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_needs_a_store_says_in_a_sentence_that_it_is_away(tidegate: Tidegate, name: str) -> None:
    needs, _ = COMMANDS[name]
    for store, variable in ADDRESS_OF.items():
        if store in needs:
            check_refusal(run(tidegate, name, **{variable: DEAD[variable]}))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("keys list", "says nothing"),
        ("upstream suspend", "says nothing"),
        *itertools.product(
            ("keys list", "migrate", "upstream suspend", "users forget"), ("speaks HTTP", "refuses TLS and sends zeros")
        ),
    ],
)
def test_something_else_at_the_address_is_as_good_as_nothing(tidegate: Tidegate, name: str, kind: str) -> None:
    needs, _ = COMMANDS[name]
    with StrangerInAThread(kind) as port:
        addresses = {
            Needs.POSTGRES: f"postgresql://u:hidden@127.0.0.1:{port}/none?connect_timeout=3",
            Needs.REDIS: f"redis://127.0.0.1:{port}",
        }
        for store, variable in ADDRESS_OF.items():
            began = time.monotonic()
            outcome = run(tidegate, name, **{variable: addresses[store]})
            assert time.monotonic() - began < LONGEST_SECONDS
            if store in needs:
                check_refusal(outcome)
            else:
                assert outcome.exit_code == 0, outcome.output


def check_refusal(outcome: Result) -> None:
    assert outcome.exit_code == 75, outcome.output
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit)
    assert len(outcome.stderr.strip().splitlines()) == 1, outcome.stderr
    assert "hidden" not in outcome.output


def run(tidegate: Tidegate, name: str, **environment: str) -> Any:
    """Run a command, after the key and the project that its arguments name were made."""
    _, words = COMMANDS[name]
    key, secret = "", ""
    if any(word in ("{key}", "shop") for word in words) or name == "keys find":
        made = msgspec.json.decode(tidegate("keys", "create", "--project", "shop", "--json").stdout)
        key, secret = made["id"], made["key"]
    return tidegate(*name.split(), *(word.format(key=key) for word in words), typed=secret, **environment)


class StrangerInAThread:
    """A server in a loop of its own, because a command in this process has the main thread."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)

    def __enter__(self) -> int:
        self._thread.start()
        self._server = stranger(self._kind)
        return asyncio.run_coroutine_threadsafe(self._server.__aenter__(), self._loop).result()

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._server.__aexit__(None, None, None), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _names(command: Any, before: str = "") -> Iterator[str]:
    for name, child in command.commands.items():
        full = f"{before} {name}".strip()
        if getattr(child, "invoke_without_command", True):
            yield full
        if hasattr(child, "commands"):
            yield from _names(child, full)
