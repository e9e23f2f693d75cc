"""`tidegate keys` shows a key once, lists its last characters only, revokes keys, and explains mistakes."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from tidegate.auth import key_format
from tidegate.auth.key_store import KeyRecord, ReplacedSecret
from tidegate.cli.commands.keys import keys_app, parse_expiry, parse_overlap, replaced_text
from tidegate.storage.embedded import StoreUrls

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
DAY = 86_400

Run = Callable[..., Result]


@pytest.fixture
def run(clean_stores: StoreUrls, redis_prefix: str) -> Run:
    environment = {
        "TIDEGATE_DATABASE_URL": clean_stores.database_url,
        "TIDEGATE_REDIS_URL": clean_stores.redis_url,
        "TIDEGATE_REDIS__PREFIX": redis_prefix,
    }

    def run(*arguments: str, typed: str = "", **changes: str) -> Result:
        return CliRunner().invoke(keys_app, list(arguments), input=typed, env=environment | changes)

    return run


def test_a_key_is_shown_at_its_making_and_never_again(run: Run) -> None:
    made = run("create", "--project", "shop", "--name", "web")
    token = made.output.split()[0]
    assert made.exit_code == 0
    assert key_format.parse(token) is not None
    listed = run("list")
    assert token not in listed.output
    assert f"…{token[-4:]}" in listed.output
    assert "shop" in listed.output
    assert "active" in listed.output


def test_json_is_for_programs(run: Run) -> None:
    made = json.loads(run("create", "--project", "shop", "--expires", "30d", "--json").output)
    assert key_format.parse(made["key"]) is not None
    assert made["expires_at"] - made["created_at"] == pytest.approx(30 * DAY, abs=60)
    assert "hash" not in made
    (listed,) = json.loads(run("list", "--project", "shop", "--json").output)
    assert listed == {name: value for name, value in made.items() if name != "key"} | {"state": "active"}
    assert json.loads(run("list", "--project", "other", "--json").output) == []


def test_limits_are_set_changed_and_taken_away(run: Run) -> None:
    limits = ("--rpm", "60", "--tpm", "10000", "--budget-month", "0.000001", "--models", "gpt-5, o3")
    made = json.loads(run("create", "--project", "shop", *limits, "--priority", "high", "--json").output)
    assert (made["limits"]["rpm"], made["limits"]["budget_month_usd"]) == (60, "0.000001")
    assert (made["models"], made["priority"], made["admin"]) == (["gpt-5", "o3"], "high", False)

    changed = run("update", made["id"], "--rpm", "none", "--budget-day", "1.00", "--models", "none", "--name", "web")
    assert changed.exit_code == 0
    assert "10,000 tpm, $1.00/day, $0.000001/month; priority high" in changed.output
    assert "within a second" in changed.output
    (listed,) = json.loads(run("list", "--json").output)
    assert (listed["name"], listed["limits"]["rpm"], listed["models"]) == ("web", None, [])
    assert "$1.00/day" in run("list").output

    assert json.loads(run("update", made["id"], "--expires", "30d", "--json").output)["expires_at"] is not None
    assert json.loads(run("update", made["id"], "--expires", "none", "--json").output)["expires_at"] is None


def test_an_admin_key_is_called_one(run: Run) -> None:
    assert "admin key" in run("create", "--project", "operators", "--admin").output
    assert "active, admin" in run("list").output


def test_a_revoked_key_stays_listed_as_revoked(run: Run) -> None:
    made = json.loads(run("create", "--project", "shop", "--json").output)
    revoked = run("revoke", made["id"])
    assert revoked.exit_code == 0
    assert "within a second" in revoked.output
    assert json.loads(run("revoke", made["id"], "--json").output)["state"] == "revoked"
    assert json.loads(run("list", "--json").output)[0]["state"] == "revoked"


def test_without_redis_the_delay_is_said(run: Run) -> None:
    made = json.loads(run("create", "--project", "shop", "--json").output)
    revoked = run("revoke", made["id"], TIDEGATE_REDIS_URL="redis://127.0.0.1:1")
    assert revoked.exit_code == 0
    assert "within 60 s" in revoked.output


def test_an_empty_list_says_what_to_do(run: Run) -> None:
    assert "tidegate keys create" in run("list").output


def test_ids_are_never_cut_off_in_a_pipe(run: Run) -> None:
    made = json.loads(run("create", "--project", "p" * 60, "--name", "[red]n" * 12, "--json").output)
    listed = run("list").output
    assert made["id"] in listed
    assert "[red]" in listed, "a name is text and no markup"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["revoke", "key_unknown"], 1, "no key key_unknown"),
        (["update", "key_unknown", "--rpm", "1"], 1, "no key key_unknown"),
        (["update", "key_unknown"], 2, "nothing to change"),
        (["update", "key_unknown", "--name", "\x1b"], 2, "printable"),
        (["create", "--project", "p", "--rpm", "many"], 2, "--rpm"),
        (["create", "--project", "p", "--budget-day", "$1"], 2, "--budget-day"),
        (["create", "--project", "p", "--priority", "urgent"], 2, "high, normal, low"),
        (["create", "--project", " "], 2, "must not be empty"),
        (["create", "--project", "a\x1bb"], 2, "printable"),
        (["create"], 2, "--project"),
        (["rotate", "key_unknown", "--overlap", "1h"], 1, "no key 'key_unknown'"),
        (["rotate", "key_unknown"], 2, "pass one of"),
        (["rotate", "key_unknown", "--overlap", "1h", "--undo"], 2, "pass one of"),
        (["rotate", "key_unknown", "--overlap", "2027-01-01"], 2, "no time span"),
        (["rotate", "key_unknown", "--overlap", "999d"], 2, "longer than 366 days"),
        (["find"], 1, "no key of a Tidegate gateway"),
        (["create", "--project", "p", "--expires", "soon"], 2, "neither"),
        (["create", "--project", "p", "--expires", "2020-01-01"], 2, "past"),
    ],
)
def test_mistakes_are_explained(run: Run, arguments: list[str], code: int, says: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, says in result.output) == (code, True)
    assert "Traceback" not in result.output
    assert run("list", "--json").output.strip() == "[]"


def test_no_database_is_one_sentence(run: Run) -> None:
    result = run("list", TIDEGATE_DATABASE_URL="postgresql://nobody:hidden@127.0.0.1:1/none")
    assert result.exit_code == 75
    assert result.output.startswith("PostgreSQL cannot be used")
    assert "hidden" not in result.output


def test_without_stores_the_folders_own_are_used_and_keep_the_key(open_folder: Path) -> None:
    own = {"TIDEGATE_DATA_DIR": str(open_folder)}
    made = CliRunner().invoke(keys_app, ["create", "--project", "shop", "--json"], env=own)
    listed = CliRunner().invoke(keys_app, ["list", "--json"], env=own)
    assert json.loads(listed.stdout)[0]["id"] == json.loads(made.stdout)["id"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("45m", NOW + 45 * 60),
        ("12h", NOW + 12 * 3600),
        ("30d", NOW + 30 * DAY),
        (" 2w ", NOW + 14 * DAY),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC).timestamp()),
        ("2026-12-01T10:00+02:00", datetime(2026, 12, 1, 8, tzinfo=UTC).timestamp()),
    ],
)
def test_an_expiry_is_a_span_or_a_date(text: str, moment: float) -> None:
    assert parse_expiry(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "d", "-1d", "0d", "30", "9999999d", "2026-13-01", "2020-01-01", "\u0661d", "1y"])
def test_what_is_no_expiry_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        parse_expiry(text, NOW)


def test_a_budget_that_cannot_pay_a_model_once_is_told(run: Run) -> None:
    made = run("create", "--project", "shop", "--models", "gpt-5-pro,gpt-4o-mini", "--budget-day", "0.01")
    assert made.exit_code == 0
    (warning,) = [line for line in made.output.splitlines() if line.startswith("Warning")]
    assert warning.startswith("Warning: The budget of $0.01 per day cannot pay one short question to gpt-5-pro ($0.0")
    assert "gpt-4o-mini" not in warning
    key = json.loads(run("create", "--project", "shop", "--budget-month", "100", "--json").output)
    assert key["warnings"] == []
    (warning,) = json.loads(run("update", key["id"], "--budget-month", "0.001", "--json").output)["warnings"]
    assert re.search(r"per month .* and \d+ more\.$", warning)


def test_a_start_script_makes_one_key_however_often_it_is_run(run: Run) -> None:
    first = run("create", "--project", "shop", "--if-none")
    assert key_format.parse(first.output.split()[0]) is not None
    again = run("create", "--project", "shop", "--if-none")
    assert (again.exit_code, "shop has or had one" in again.output) == (0, True)
    assert json.loads(run("create", "--project", "shop", "--if-none", "--json").output) is None
    (listed,) = json.loads(run("list", "--json").output)

    run("revoke", listed["id"])
    assert json.loads(run("create", "--project", "shop", "--if-none", "--json").output) is None, (
        "it was ended on purpose"
    )
    assert json.loads(run("create", "--project", "other", "--if-none", "--json").output)["project"] == "other"
    assert run("create", "--project", "shop", "--if-none", "--admin").exit_code == 2


def test_a_rotation_prints_the_new_secret_once_and_the_list_shows_the_old_one(run: Run) -> None:
    made = json.loads(run("create", "--project", "shop", "--name", "web", "--rpm", "60", "--json").output)
    rotated = run("rotate", made["id"], "--overlap", "24h")
    assert rotated.exit_code == 0, rotated.output
    token = rotated.output.split()[0]
    assert key_format.parse(token) is not None
    assert "old secret stays valid until" in rotated.output

    listed = run("list").output
    assert f"{made['id']} (shop, web): its replaced secret …{made['hint']} was never used, and stops at" in listed
    assert f"…{token[-4:]}" in listed
    assert token not in listed
    assert made["key"] not in listed

    again = run("rotate", made["id"], "--overlap", "24h")
    assert (again.exit_code, "in progress" in again.output) == (1, True)
    undone = run("rotate", made["id"], "--undo")
    assert f"only the secret …{made['hint']} is valid" in undone.output
    assert run("rotate", made["id"], "--finish").exit_code == 1

    new = json.loads(run("rotate", made["id"], "--overlap", "0", "--json").output)
    assert (new["replaced"]["state"], new["limits"]["rpm"]) == ("stopped", 60)
    assert "replaced secret" not in run("list").output


def test_a_pasted_key_is_found_and_not_repeated(run: Run) -> None:
    made = json.loads(run("create", "--project", "shop", "--name", "web", "--json").output)
    found = run("find", typed=f"Authorization: Bearer {made['key']}\n")
    assert found.exit_code == 0, found.output
    assert found.output == f"{made['id']} of project shop, name web: active.\n"
    run("rotate", made["id"], "--overlap", "0")
    found = run("find", typed=made["key"])
    assert "replaced by a rotation and stopped at" in found.output
    assert json.loads(run("find", "--json", typed=made["key"]).output)["secret"] == "stopped"
    for wrong, why in (
        (made["key"][:-1], "cut off or mistyped"),
        (key_format.generate(b"\x07".__mul__), "another gateway"),
    ):
        unknown = run("find", typed=wrong)
        assert (unknown.exit_code, why in unknown.output, wrong in unknown.output) == (1, True, False)


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("45m", 45 * 60), (" 24h ", DAY), ("2w", 14 * DAY)])
def test_an_overlap_is_a_span(text: str, seconds: int) -> None:
    assert parse_overlap(text) == seconds


@pytest.mark.parametrize(
    ("stops_in", "used_ago", "says"),
    [
        (60, None, "was never used, and stops at"),
        (60, 5, "was last used at"),
        (-60, None, None),
        (-60, 100, None),
        (-60, 5, "so it is rejected"),
    ],
)
def test_a_replaced_secret_is_shown_while_it_matters(stops_in: int, used_ago: int | None, says: str | None) -> None:
    used_at = None if used_ago is None else NOW - used_ago
    record = KeyRecord(
        id="key_1",
        project="shop",
        name="web\x1b",
        hint="abcd",
        created_at=1.0,
        expires_at=None,
        revoked_at=None,
        replaced=ReplacedSecret(hint="efgh", stops_at=NOW + stops_in, last_used_at=used_at),
    )
    text = replaced_text(record, NOW)
    assert (text is None) == (says is None)
    assert says is None or (says in str(text) and "\x1b" not in str(text))
