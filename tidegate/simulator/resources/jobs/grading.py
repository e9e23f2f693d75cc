"""Grades a sample as a grader says: by comparing texts, or with a model's answer."""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from difflib import SequenceMatcher
from typing import Any

import msgspec

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.answers.words import seed_of
from tidegate.simulator.checks import refusals
from tidegate.simulator.resources.calls import LineAnswer

KINDS = ("string_check", "text_similarity", "python", "score_model", "label_model", "multi")
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "string_check": ("name", "input", "reference", "operation"),
    "text_similarity": ("name", "input", "reference", "evaluation_metric"),
    "python": ("name", "source"),
    "score_model": ("name", "model", "input"),
    "label_model": ("name", "model", "input", "labels", "passing_labels"),
    "multi": ("name", "graders", "calculate_output"),
}
_TEMPLATE = re.compile(r"{{\s*([\w.]+)\s*}}")
_CHECKS: Mapping[str, Callable[[str, str], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "like": lambda text, part: part in text,
    "ilike": lambda text, part: part.lower() in text.lower(),
}
_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_MOST_FORMULA = 500


class Grade(msgspec.Struct, frozen=True, kw_only=True):
    """What a sample is worth."""

    score: float
    passed: bool
    parts: Mapping[str, float] = {}
    """The scores of a multi grader's parts."""
    answers: tuple[LineAnswer, ...] = ()
    """Models' answers that were needed."""
    formula_failed: bool = False
    not_run: bool = False
    """Whether it is a program, which is not run here."""


class Grading(msgspec.Struct, frozen=True, kw_only=True):
    """What a grader may use."""

    values: Mapping[str, Any]
    """What templates name: `item` and `sample`."""
    ask: Callable[[Json], LineAnswer]
    """Asks a model with the body of a chat."""


def check_grader(grader: Any, at: str = "grader") -> None:
    """Raise Refusal for a grader that is none."""
    if not isinstance(grader, dict):
        raise refusals.wrong_type(at, "an object", grader)
    kind = grader.get("type")
    if kind not in KINDS:
        raise refusals.wrong_value(f"{at}.type", kind, KINDS)
    for name in _FIELDS[kind]:
        if grader.get(name) is None:
            raise refusals.missing(f"{at}.{name}")
    for name, inner in grader["graders"].items() if kind == "multi" else ():
        check_grader(inner, f"{at}.graders.{name}")
    if kind == "string_check" and grader["operation"] not in _CHECKS:
        raise refusals.wrong_value(f"{at}.operation", grader["operation"], tuple(_CHECKS))


def grade(grader: Json, grading: Grading) -> Grade:
    """Return the grade of a sample."""
    return _BY_KIND[grader["type"]](grader, grading)


def filled(template: Any, values: Mapping[str, Any]) -> str:
    """Return a text with the values that it names in double braces."""
    return _TEMPLATE.sub(lambda match: _value(match[1], values), str(template))


def _value(path: str, values: Mapping[str, Any]) -> str:
    found: Any = values
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return "" if found is None else str(found)


def _string_check(grader: Json, grading: Grading) -> Grade:
    texts = [filled(grader[name], grading.values) for name in ("input", "reference")]
    passed = _CHECKS[grader["operation"]](*texts)
    return Grade(score=float(passed), passed=passed)


def _text_similarity(grader: Json, grading: Grading) -> Grade:
    one, other = (filled(grader[name], grading.values) for name in ("input", "reference"))
    score = round(SequenceMatcher(None, one, other).ratio(), 4)
    return Grade(score=score, passed=score >= grader.get("pass_threshold", 0.5))


def _python(_: Json, __: Grading) -> Grade:
    return Grade(score=0.0, passed=False, not_run=True)


def _asked(grader: Json, grading: Grading) -> LineAnswer:
    messages = [
        {"role": one.get("role", "user"), "content": filled(one.get("content"), grading.values)}
        for one in grader["input"]
        if isinstance(one, dict)
    ]
    return grading.ask({"model": grader["model"], "messages": messages})


def _score_model(grader: Json, grading: Grading) -> Grade:
    found = _asked(grader, grading)
    low, high = (grader.get("range") or [0.0, 1.0])[:2]
    share = seed_of(_text(found)) % 1001 / 1000
    score = round(low + (high - low) * share, 4) if found.status == 200 else 0.0
    return Grade(score=score, passed=score >= grader.get("pass_threshold", (low + high) / 2), answers=(found,))


def _label_model(grader: Json, grading: Grading) -> Grade:
    found = _asked(grader, grading)
    label = grader["labels"][seed_of(_text(found)) % len(grader["labels"])] if grader["labels"] else None
    passed = found.status == 200 and label in grader["passing_labels"]
    return Grade(score=float(passed), passed=passed, answers=(found,))


def _text(found: LineAnswer) -> Any:
    return [choice.get("message") for choice in found.body.get("choices") or ()]


def _multi(grader: Json, grading: Grading) -> Grade:
    grades = {name: grade(inner, grading) for name, inner in grader["graders"].items()}
    parts = {name: one.score for name, one in grades.items()}
    answers = tuple(found for one in grades.values() for found in one.answers)
    not_run = any(one.not_run for one in grades.values())
    try:
        score = _calculate(grader["calculate_output"], parts)
    except (SyntaxError, ValueError, ZeroDivisionError):
        return Grade(score=0.0, passed=False, parts=parts, answers=answers, formula_failed=True, not_run=not_run)
    return Grade(score=score, passed=score > 0, parts=parts, answers=answers, not_run=not_run)


def _calculate(formula: str, parts: Mapping[str, float]) -> float:
    """Return the value of a sum of products. Raises SyntaxError and ValueError for another formula."""
    if len(formula) > _MOST_FORMULA:
        raise ValueError(formula)
    return round(_worth(ast.parse(formula, mode="eval").body, parts), 6)


def _worth(node: ast.expr, parts: Mapping[str, float]) -> float:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_worth(node.left, parts), _worth(node.right, parts))
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Name) and node.id in parts:
        return parts[node.id]
    raise ValueError(ast.dump(node))


_BY_KIND: Mapping[str, Callable[[Json, Grading], Grade]] = {
    "string_check": _string_check,
    "text_similarity": _text_similarity,
    "python": _python,
    "score_model": _score_model,
    "label_model": _label_model,
    "multi": _multi,
}
