"""Every command is recorded in the audit log, or is listed as one that only reads; a new one cannot be forgotten."""

import json
import os
import pwd

import pytest

from tests.cli.conftest import Tidegate
from tidegate.cli.acts import NOT_ACTS, READS_CONVERSATIONS, command_action
from tidegate.cli.application import application

WITHOUT_STORES = {
    "run", "serve", "health", "simulate",  # processes, not acts
    "usage.compare", "prices", "doctor", "secrets.check", "config.check", "deploy.alarms", "config.show",  # they read
}  # fmt: skip
ACTS = {
    "migrate": [],
    "alerts.test": [],
    "alerts.mute": ["1h"],
    "alerts.unmute": [],
    "secrets.rotate": [],
    "keys.create": ["--project", "shop"],
    "keys.update": ["key_none", "--rpm", "5"],
    "keys.rotate": ["key_none", "--overlap", "1h"],
    "keys.find": [],
    "keys.revoke": ["key_none"],
    "objects.assign": ["shop", "file-abc123", "--credential", "default"],
    "projects.update": ["shop", "--rpm", "5"],
    "budgets.set": ["--project", "shop", "--tag", "a=b", "--budget-day", "5"],
    "cache.purge": ["--all"],
    "conversations.search": ["divorce"],
    "conversations.export": ["shop"],
    "semantic.audits": ["shop"],
    "users.forget": ["shop", "ada", "--yes"],
    "upstream.suspend": ["openai/default"],
    "upstream.resume": ["openai/default"],
}


def actions() -> set[str]:
    """Return the action of every command."""
    app = application()
    alone = {str(command.callback.__name__) for command in app.registered_commands if command.callback}
    return alone | {
        command_action(str(group.name), command.name or command.callback.__name__)
        for group in app.registered_groups
        if group.typer_instance
        for command in group.typer_instance.registered_commands
        if command.callback
    }


def test_each_command_is_an_act_or_listed_as_none() -> None:
    assert actions() == set(ACTS) | NOT_ACTS | WITHOUT_STORES
    assert set(ACTS).isdisjoint(NOT_ACTS)
    assert set(ACTS) >= READS_CONVERSATIONS


@pytest.mark.parametrize(
    "action", sorted(set(ACTS) - {"migrate", "secrets.rotate", "keys.find", "users.forget", "conversations.export"})
)
def test_an_act_writes_one_line(tidegate: Tidegate, action: str) -> None:
    tidegate(*action.split("."), *ACTS[action])
    (line,) = json.loads(tidegate("audit", "show", "--json").stdout)
    assert (line["action"], line["actor_kind"], line["actor"]) == (action, "cli", str(os.getuid()))
    assert line["actor_name"] == pwd.getpwuid(os.getuid()).pw_name
    assert line["outcome"] in ("done", "refused")


def test_a_person_reads_the_table(tidegate: Tidegate) -> None:
    tidegate("keys", "create", "--project", "shop", "--name", "web")
    tidegate("keys", "revoke", "key_none")
    shown = tidegate("audit", "show")
    revoked, created = [line for line in shown.output.splitlines() if "cli:" in line]
    assert ("keys.revoke" in revoked, "refused: not_found" in revoked) == (True, True)
    assert ("name=web" in created, "project=shop" in created, created.rstrip().endswith("done")) == (True, True, True)


def test_words_that_callers_said_are_not_in_the_line(tidegate: Tidegate) -> None:
    tidegate("conversations", "search", "divorce")
    assert "divorce" not in tidegate("audit", "show", "--json").stdout


def test_reading_lists_writes_no_line(tidegate: Tidegate) -> None:
    more = {"calls.tail": ["--no-follow"]}
    for action in sorted(NOT_ACTS - {"projects.show"}):
        tidegate(*action.split("."), *more.get(action, ()))
    assert json.loads(tidegate("audit", "show", "--json").stdout) == []


def test_a_credential_is_suspended_while_postgresql_is_down_and_the_log_says_by_whom(tidegate: Tidegate) -> None:
    away = "postgresql://127.0.0.1:1/tidegate"
    suspended = tidegate("upstream", "suspend", "openai/default", TIDEGATE_DATABASE_URL=away)
    assert suspended.exit_code == 0, suspended.output
    assert "is suspended" in suspended.stdout
    assert ("upstream.suspend" in suspended.stderr, f"cli:{os.getuid()}" in suspended.stderr) == (True, True)
