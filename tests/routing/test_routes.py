"""A model's name stands for its route's targets, in the order to try them; without a route, for itself."""

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from tidegate.core.config import RouteConfig
from tidegate.providers.target import Target
from tidegate.routing.plan import ALL_STEPS, CannedReply, Plan
from tidegate.routing.routes import Routes

DAY = 24 * 3600.0
TWO = [{"provider": "openai", "model": "gpt-4o"}, {"provider": "azure", "model": "four-o"}]


def routes(**given: Any) -> Routes:
    """Routes by name; `any_` stands for `*`."""
    configs = {
        name.replace("any_", "*").replace("__", "-"): RouteConfig.model_validate(route) for name, route in given.items()
    }
    return Routes(configs, stale_seconds=DAY)


def plan(made: Routes, model: str, *draws: float) -> Plan:
    drawn: Iterator[float] = iter(draws)
    return made.plan(model, draw_for=lambda: lambda _: next(drawn))


def names(made: Plan) -> list[str]:
    return [target.name for target in made.targets]


def test_a_model_without_a_route_is_itself_at_openai() -> None:
    made = plan(routes(other={"targets": TWO}), "gpt-4o-mini")
    assert made == Plan(
        model="gpt-4o-mini", targets=(Target("openai", "gpt-4o-mini"),), allowed_steps=ALL_STEPS, stale_seconds=DAY
    )


def test_targets_are_tried_as_they_are_listed() -> None:
    made = plan(routes(smart={"targets": TWO}), "smart")
    assert (made.model, names(made)) == ("smart", ["openai/gpt-4o", "azure/four-o"])


def test_a_route_says_what_happens_when_its_targets_fail() -> None:
    route = {
        "targets": TWO,
        "fallback_steps": {"targets": False},
        "stale_for_seconds": 60,
        "canned_reply": "We are back soon.",
    }
    made = plan(routes(smart=route), "smart")
    assert (made.allowed_steps.credentials, made.allowed_steps.targets, made.allowed_steps.stale) == (True, False, True)
    assert (made.stale_seconds, made.canned) == (60.0, CannedReply(text="We are back soon."))


@pytest.mark.parametrize(
    ("model", "target"),
    [
        ("gpt-4o", "a/exact"),
        ("gpt-4o-mini", "b/gpt-4o-mini"),
        ("gpt-4o-2024-08-06", "b/gpt-4o-2024-08-06"),
        ("gpt-4.1", "c/gpt-4.1"),
        ("llama", "d/llama"),
    ],
)
def test_the_very_name_wins_then_the_longest_pattern(model: str, target: str) -> None:
    made = Routes(
        {
            name: RouteConfig.model_validate({"targets": [{"provider": provider, "model": there}]})
            for name, provider, there in (
                ("*", "d", None), ("gpt-4o*", "b", None), ("gpt-4*", "c", None), ("gpt-4o", "a", "exact"),
            )
        },
        stale_seconds=DAY,
    )  # fmt: skip
    assert names(plan(made, model)) == [target]
    assert made.names == ("gpt-4o",)


@pytest.mark.parametrize(
    ("draws", "first"),
    [((0.5, 0.5), "openai/gpt-4o"), ((0.01, 0.9), "azure/four-o"), ((0.0, 0.0), "openai/gpt-4o")],
)
def test_a_weighted_route_draws_its_order(draws: tuple[float, float], first: str) -> None:
    targets = [{**TWO[0], "weight": 3}, {**TWO[1], "weight": 1}]
    made = plan(routes(smart={"targets": targets, "strategy": "weighted"}), "smart", *draws)
    assert (names(made)[0], len(made.targets)) == (first, 2)


def test_weights_are_shares_of_the_calls() -> None:
    targets = [{**TWO[0], "weight": 3}, {**TWO[1], "weight": 1}, {"provider": "last", "weight": 0}]
    made = routes(smart={"targets": targets, "strategy": "weighted"})
    random = Random(7)  # noqa: S311  # repeatable on purpose
    plans = [made.plan("smart", draw_for=lambda: lambda _: random.random()) for _ in range(4000)]
    firsts = Counter(names(each)[0] for each in plans)
    assert firsts["openai/gpt-4o"] == pytest.approx(3000, abs=120)
    assert {names(each)[2] for each in plans} == {"last/smart"}, "no weight: after all others"


def test_a_target_that_is_listed_twice_is_tried_once() -> None:
    same = [{"provider": "openai"}, {"provider": "openai", "model": "gpt-4o"}]
    assert names(plan(routes(any_={"targets": same}), "gpt-4o")) == ["openai/gpt-4o"]


def test_a_target_may_name_its_credentials() -> None:
    targets = [{**TWO[0], "credentials": ["b", "a"]}, {**TWO[0], "credentials": ["c"]}]
    made = plan(routes(smart={"targets": targets}), "smart")
    assert [target.credentials for target in made.targets] == [("b", "a"), ("c",)]
    assert names(made) == ["openai/gpt-4o"] * 2


def test_the_longest_time_that_an_answer_must_be_kept() -> None:
    assert routes().max_stale_seconds == DAY
    assert routes(a={"targets": TWO, "stale_for_seconds": 60}).max_stale_seconds == DAY
    assert routes(a={"targets": TWO, "stale_for_seconds": 2 * DAY}).max_stale_seconds == 2 * DAY


def test_the_providers_that_are_asked_for_what_was_named() -> None:
    made = routes(smart={"targets": TWO}, any_={"targets": [{"provider": "own"}]}, mini={"targets": [
        {"provider": "azure", "model": "mini"}]})  # fmt: skip
    assert made.pass_through_providers == ("openai", "own", "azure")
