"""A 429 concerns its own project while the calls of others succeed, its call if it is rare, and else the lane."""

import pytest

from tidegate.queue.refusal_scope import MAX_AGE_SECONDS, MIN_SUCCESSES, LatestAnswers, RefusalScope

Step = tuple[str, str]
"""A project, and `ok` for a success, or whom its 429 concerns; `used up`: the lane, as a limit is used up."""

FIVE = [("quiet", "ok")] * MIN_SUCCESSES


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([("hostile", "lane")], id="nothing is known"),
        pytest.param([*FIVE * 4, ("quiet", "call"), ("quiet", "lane")], id="one among successes"),
        pytest.param([*FIVE * 4, ("quiet", "used up")], id="a limit is used up"),
        pytest.param([*FIVE[1:], ("hostile", "lane")], id="too few successes"),
        pytest.param([*FIVE, ("quiet", "lane")], id="the only project"),
        pytest.param(
            [*FIVE, *[("hostile", "project")] * 100, ("quiet", "ok"), ("hostile", "project")], id="a flood of 429s"
        ),
        pytest.param([*FIVE, *[("hostile", "ok")] * 20, ("hostile", "project")], id="its own successes show nothing"),
        pytest.param(
            [*FIVE, ("hostile", "project"), ("quiet", "lane"), ("hostile", "lane"), *FIVE, ("hostile", "project")],
            id="a limit of the account, which ends",
        ),
        pytest.param([*FIVE, ("hostile", "project"), ("third", "lane")], id="a second project"),
    ],
)
def test_who_is_concerned(steps: list[Step]) -> None:
    answers = LatestAnswers()
    for now, (project, what) in enumerate(steps):
        if what == "ok":
            answers.note_success(project, now * 0.1)
        else:
            scope = answers.note_refusal(project, now * 0.1, is_used_up=what == "used up")
            assert scope.value == what.replace("used up", "lane"), (now, project)


@pytest.mark.parametrize(
    ("sent_at", "now", "scope"),
    [
        (9.0, 10.0, RefusalScope.LANE),
        (10.5, 11.0, RefusalScope.PROJECT),
        (10.5, 11.0 + MAX_AGE_SECONDS, RefusalScope.LANE),
    ],
    ids=["sent before the other's 429", "sent after it", "long ago"],
)
def test_only_calls_that_were_sent_lately_and_after_a_refusal_show_anything(
    sent_at: float, now: float, scope: RefusalScope
) -> None:
    answers = LatestAnswers()
    answers.note_refusal("quiet", 10.0)
    for _ in FIVE:
        answers.note_success("quiet", sent_at)
    assert answers.note_refusal("hostile", now) is scope
