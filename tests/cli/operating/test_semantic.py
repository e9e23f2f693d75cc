"""`tidegate semantic` sums up decisions and verdicts, and shows questions side by side to judge by hand."""

import json

import psycopg
import pytest

from tests.cli.conftest import Tidegate
from tidegate.storage.embedded import StoreUrls

LINES = [
    ("r1", "ask", None, None, "how do i pay", None),
    ("r2", "verified", 0.97, True, "how can i pay", "how do i pay"),
    ("r3", "verified", 0.91, False, "how do i pay back", "how do i pay"),
    ("r4", "alias", 0.99, None, "how can i pay", ""),
]


@pytest.fixture(autouse=True)
def decisions(tidegate: Tidegate, clean_stores: StoreUrls) -> None:
    tidegate("keys", "create", "--project", "shop")
    with psycopg.connect(clean_stores.database_url, autocommit=True) as database:
        for request, action, score, verdict, question, earlier in LINES:
            database.execute(
                "INSERT INTO semantic_decisions (request_id, at, project, scope, mode, action, answer, score, audited,"
                " verdict, verified, compared, saved_nanos, question, cached_question)"
                " VALUES (%s, now(), 'shop', 's', 'shadow', %s, 'a', %s, %s, %s, false, false, 1000000, %s, %s)",
                (request, action, score, verdict is not None, verdict, question, earlier),
            )


def test_the_report_sums_up_what_was_decided(tidegate: Tidegate) -> None:
    shown = tidegate("semantic", "report", "shop")
    assert shown.exit_code == 0, shown.output
    assert "not ready: 0 of 500 requests were seen" in shown.output
    assert "The verifier's yes was wrong 1 times of 2" in shown.output
    (mode,) = json.loads(tidegate("semantic", "report", "shop", "--json").output)["modes"]
    assert (mode["mode"], mode["answers"], mode["judged"], mode["wrong"]) == ("shadow", 3, 2, 1)
    assert 0.5 < mode["wrong_ratio_bound"] < 1
    assert "Nothing was decided" in tidegate("semantic", "report", "bank").output


def test_questions_are_shown_side_by_side(tidegate: Tidegate) -> None:
    judged = json.loads(tidegate("semantic", "audits", "shop", "--json").output)
    assert {each["request_id"]: each["verdict"] for each in judged} == {"r2": True, "r3": False}
    (wrong,) = json.loads(tidegate("semantic", "audits", "shop", "--wrong", "--json").output)
    assert (wrong["question"], wrong["cached_question"]) == ("how do i pay back", "how do i pay")
    assert len(json.loads(tidegate("semantic", "audits", "shop", "--unjudged", "--json").output)) == 3
    assert "how do i pay back" in tidegate("semantic", "audits", "shop").output
    assert "No such answer" in tidegate("semantic", "audits", "bank").output
