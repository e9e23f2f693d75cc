"""The page's words: figures as people write them, and one sentence that says whether it is us or them."""

import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.browser import sample
from tests.browser.sample import AT
from tests.browser.stand_in import FILES
from tests.harness import Json
from tests.node_packages import find_node

pytestmark = pytest.mark.node

CASES = Path(__file__).parent / "node" / "cases.mjs"


def results(module: str, *calls: tuple[str, list[Any]]) -> list[Any]:
    """Return what functions of a module of the page give for these arguments."""
    find_node()
    request = msgspec.json.encode({"module": str(FILES / module), "calls": calls})
    done = subprocess.run(["node", str(CASES)], input=request, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found: list[Any] = msgspec.json.decode(done.stdout)
    return found


FORMATS: list[tuple[str, list[Any], str]] = [
    ("money", [None], "\u2013"),
    ("money", ["0", "en"], "$0.00"),
    ("money", ["12.340000000", "en"], "$12.34"),
    ("money", ["1234567.891", "en"], "$1,234,567.89"),
    ("money", ["1234.5", "de"], "1.234,50 $"),
    ("money", ["0.0042", "en"], "$0.0042"),
    ("money", ["0.0999", "en"], "$0.10"),
    ("money", ["0.05", "en"], "$0.05"),
    ("money", ["0.000000001", "en"], "< $0.0001"),
    ("exactMoney", ["0.000000001"], "$0.000000001"),
    ("exactMoney", ["12.340000000"], "$12.34"),
    ("exactMoney", ["-3"], "-$3.00"),
    ("exactMoney", [None], "not known"),
    ("count", [0, "en"], "0"),
    ("count", [12345, "en"], "12,345"),
    ("count", [1234567, "en"], "1.23M"),
    ("counted", [1, "call", "en"], "1 call"),
    ("counted", [0, "call", "en"], "0 calls"),
    ("percent", [0.2209, "en"], "22%"),
    ("percent", [0.9999, "en"], "99.9%"),
    ("percent", [1, "en"], "100%"),
    ("percent", [0.004, "en"], "0.4%"),
    ("milliseconds", [0.42, "en"], "0.4 ms"),
    ("milliseconds", [412, "en"], "412 ms"),
    ("milliseconds", [1240, "en"], "1.24 s"),
    ("milliseconds", [12400, "en"], "12.4 s"),
    ("milliseconds", [125000, "en"], "2 min 5 s"),
    ("duration", [40], "40 s"),
    ("duration", [3599], "1 h"),
    ("duration", [12000], "3 h 20 min"),
    ("duration", [90000], "1 d 1 h"),
    ("duration", [1e6], "12 days"),
    ("duration", [-5], "0 s"),
    ("relative", [1000, 1003], "just now"),
    ("relative", [1000, 1012], "12s ago"),
    ("relative", [1000, 1000 + 86400 * 2], "2d ago"),
    ("relative", [4600, 1000], "in 1h"),
    ("moment", [1.8e9, "en-GB", "Europe/Berlin"], "15 Jan 2027, 09:00:00"),
    ("moment", [1.8e9, "en-US", "America/New_York"], "Jan 15, 2027, 3:00:00 AM"),
    ("bytes", [0, "en"], "0 B"),
    ("bytes", [214_000_000, "en"], "214 MB"),
    ("unixSeconds", ["2026-11-30T08:12:00Z"], "1796026320"),
    ("unixSeconds", ["no time"], "None"),
]


def test_figures_are_written_as_people_write_them() -> None:
    found = results("format.js", *((name, args) for name, args, _ in FORMATS))
    # some locales put spaces that do not break
    plain = [str(text).replace("\u202f", " ").replace("\xa0", " ") for text in found]
    assert list(zip(plain, FORMATS, strict=True)) == [(case[2], case) for case in FORMATS]


def failing(share: float, *errors: Json) -> Json:
    """Return figures in which this share of the recent calls failed."""
    figures = sample.healthy()
    figures["calls"]["series"] = [
        {**each, "calls": 100, "errors": round(100 * share)} for each in figures["calls"]["series"]
    ]
    figures["calls"]["errors"] = list(errors)
    return figures


def error(
    name: str, *, ours: bool | None, message: str | None = None, last_at: float | None = AT - 5, count: int = 9
) -> Json:
    return {
        "error": name,
        "upstream_message": message,
        "target": "openai/gpt-4o",
        "count": count,
        "last_at": last_at,
        "ours": ours,
    }


QUOTA = error("insufficient_quota", ours=False, message="You exceeded your current quota.")
REDIS_AWAY = [{"store": "redis", "since": AT - 720, "text": "Redis is away."}]
USED_UP = {
    "scope": "project",
    "name": "shop",
    "period": "day",
    "limit_usd": "5",
    "spent_usd": "5.01",
    "held_usd": "0",
    "ends_at": AT + 3600,
}
VERDICTS: list[tuple[Json | None, str, str, str]] = [
    (None, "unknown", "none", "Waiting for the first figures."),
    (sample.healthy(), "good", "none", "All is well: 12,345 calls in the last hour, 98% answered."),
    ({**sample.healthy(), "calls": {"total": 0}}, "good", "none", "All is well. No calls in the last hour."),
    (
        {**sample.healthy(), "targets": None, "credentials": None, "queue": None},
        "good",
        "none",
        "All is well: 12,345 calls in the last hour, 98% answered.",
    ),
    ({**sample.healthy(), "degraded": REDIS_AWAY}, "bad", "us", "It is us: our Redis is away for 12 min."),
    (
        {**sample.healthy(), "stores": {"postgresql": {"state": "away"}}},
        "bad",
        "us",
        "It is us: our PostgreSQL is away.",
    ),
    (
        failing(0.4, QUOTA),
        "bad",
        "them",
        "It is them: openai refuses or fails 40% of the calls: “You exceeded your current quota”.",
    ),
    (
        failing(0.05, QUOTA),
        "warn",
        "them",
        "It is them: openai refuses or fails 5% of the calls: “You exceeded your current quota”.",
    ),
    (failing(0.01, QUOTA), "good", "none", "All is well: 12,345 calls in the last hour, 98% answered."),
    (
        failing(0.4, error("insufficient_quota", ours=False, message="Old.", last_at=AT - 3000)),
        "good",
        "none",
        "All is well: 12,345 calls in the last hour, 98% answered.",
    ),
    (
        failing(0.5, error("redis_unavailable", ours=True)),
        "bad",
        "us",
        "It is us: 50% of the calls fail with “redis_unavailable”.",
    ),
    (
        failing(0.5, error("invalid_value", ours=None)),
        "warn",
        "callers",
        "Callers send what is refused: “invalid_value”.",
    ),
    (
        {**sample.healthy(), "spend": {"budgets": [USED_UP]}},
        "bad",
        "money",
        "Budget used up: $5.00 a day of project “shop”; it renews in 1 h.",
    ),
    (
        {
            **sample.healthy(),
            "credentials": [{"provider": "openai", "name": "a", "state": "invalid", "reason": "Bad key."}],
        },
        "warn",
        "money",
        "The credential openai/a is refused as invalid: “Bad key”.",
    ),
    (
        {**sample.healthy(), "targets": [{"provider": "openai", "model": "m", "state": "open"}]},
        "bad",
        "them",
        "It is them: openai/m failed so often that calls go elsewhere.",
    ),
    (
        {**sample.healthy(), "queue": {"waiting": 12, "oldest_wait_ms": 40_000}},
        "warn",
        "them",
        "12 calls in the queue, the oldest for 40 s.",
    ),
]


def test_one_sentence_says_whether_it_is_us_or_them() -> None:
    found = results("verdict.js", *(("verdict", [figures]) for figures, *_ in VERDICTS))
    assert [(each["tone"], each["side"], each["sentence"]) for each in found] == [tuple(case[1:]) for case in VERDICTS]


def test_the_worst_comes_first_and_the_rest_follows() -> None:
    figures = {**failing(0.4, QUOTA, error("redis_unavailable", ours=True, count=3)), "degraded": REDIS_AWAY}
    (found,) = results("verdict.js", ("verdict", [figures]))
    assert found["sentence"] == "It is us: our Redis is away for 12 min."
    assert [text.partition(":")[0] for text in found["also"]] == ["It is them", "It is us"]


def test_a_sentence_stays_short_whatever_an_upstream_says() -> None:
    (found,) = results("verdict.js", ("verdict", [failing(0.4, error("x", ours=False, message="W" * 10_000))]))
    assert len(found["sentence"]) < 250
