"""The mixed calls are ones that OpenAI takes: a refused call would measure nothing."""

from random import Random

from benchmarks.mixed_calls import Asked, Mix
from tidegate.simulator.checks.parameters import check

ROUTES = {"/chat/completions": "chat", "/responses": "responses", "/embeddings": "embeddings"}


def test_each_call_without_a_refusal_of_its_own_is_taken() -> None:
    groups = Mix(Random(1)).groups(1000)  # noqa: S311  # repeatable on purpose
    calls: list[Asked] = [call for group in groups for call in group]
    for call in calls:
        if call.headers.get("x-simulate-fault", "missing_usage") == "missing_usage":
            check(ROUTES[call.path], call.body)
    assert {ROUTES[call.path] for call in calls} == set(ROUTES.values())
