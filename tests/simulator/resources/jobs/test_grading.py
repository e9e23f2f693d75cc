"""Each kind of grader gives the grade that its rule says."""

from typing import Any

import pytest

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.refusal import Refusal
from tidegate.simulator.resources.calls import LineAnswer
from tidegate.simulator.resources.jobs.grading import Grading, check_grader, filled, grade

_VALUES = {"item": {"tide": "high"}, "sample": {"output_text": "The tide is High"}}
_CHECK = {"type": "string_check", "name": "c", "input": "{{sample.output_text}}", "reference": "{{item.tide}}"}
_SIMILAR = {"type": "text_similarity", "name": "t", "reference": "{{item.tide}}", "evaluation_metric": "bleu"}
_MULTI = {"type": "multi", "name": "m", "graders": {"a": {**_CHECK, "operation": "ne"}}}
_ASKS = {"model": "gpt-4o", "input": [{"role": "user", "content": "{{item.tide}}"}]}


def _ask(body: Json) -> LineAnswer:
    return LineAnswer(status=200, body={"choices": [{"message": body["messages"]}]}, model="gpt-4o")


@pytest.mark.parametrize(
    ("grader", "score", "passed"),
    [
        ({**_CHECK, "operation": "eq"}, 0.0, False),
        ({**_CHECK, "operation": "ne"}, 1.0, True),
        ({**_CHECK, "operation": "like"}, 0.0, False),
        ({**_CHECK, "operation": "ilike"}, 1.0, True),
        ({**_SIMILAR, "input": "high"}, 1.0, True),
        ({**_MULTI, "calculate_output": "2 * a - 0.5"}, 1.5, True),
        ({**_MULTI, "calculate_output": "exit()"}, 0.0, False),
        ({**_MULTI, "calculate_output": "a / 0"}, 0.0, False),
        ({"type": "python", "name": "p", "source": "1"}, 0.0, False),
        ({"type": "label_model", "name": "l", **_ASKS, "labels": ["a"], "passing_labels": ["a"]}, 1.0, True),
    ],
)  # fmt: skip
def test_a_grader_gives_its_grade(grader: dict[str, Any], score: float, passed: bool) -> None:
    check_grader(grader)
    found = grade(grader, Grading(values=_VALUES, ask=_ask))
    assert (found.score, found.passed) == (score, passed)
    assert found.not_run is (grader["type"] == "python")


def test_a_models_score_is_within_its_range_and_the_same_for_the_same_answer() -> None:
    grader = {"type": "score_model", "name": "s", **_ASKS, "range": [2.0, 5.0]}
    grading = Grading(values=_VALUES, ask=_ask)
    assert 2.0 <= grade(grader, grading).score == grade(grader, grading).score <= 5.0
    assert len(grade(grader, grading).answers) == 1


@pytest.mark.parametrize(
    ("grader", "message"),
    [
        (None, "Invalid type for 'grader'"),
        ({"type": "odd"}, "Invalid value: 'odd'"),
        ({"type": "python", "name": "p"}, "Missing required parameter: 'grader.source'"),
        ({**_CHECK, "operation": "near"}, "Invalid value: 'near'"),
        ({"type": "multi", "name": "m", "graders": {"a": {}}, "calculate_output": "a"}, "Invalid value: 'None'"),
    ],
)
def test_what_is_no_grader_is_refused(grader: Any, message: str) -> None:
    with pytest.raises(Refusal, match=message):
        check_grader(grader)


def test_a_name_without_a_value_is_empty() -> None:
    assert filled("<{{ item.none.deeper }}>", _VALUES) == "<>"
