"""The tree's names keep their rules, and each rule complains when it is broken."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shape import names

ROOT = Path(__file__).parents[2]
SOURCES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in sorted((ROOT / "tidegate").rglob("*.py"))
    if "__pycache__" not in path.parts
}

ALLOWED = {
    "answer_form": "whole or streamed; `Format` is the protocol that a body is written in",
    "RequestedForm": "the same",
    "requested_form": "the same",
    "api_surface": "Azure's own word for its two generations of addresses",
}
"""Names with a word of the list, and why they keep it."""

FLAT = {"tidegate/core/config/sections": "one file for each section of the configuration, under the section's name"}
"""Packages that hold more modules than others may, and why."""


def test_no_class_name_has_two_meanings() -> None:
    assert list(names.twice_defined_classes(SOURCES)) == []


def test_no_package_is_crowded() -> None:
    assert list(names.crowded_packages(SOURCES, FLAT)) == []


def test_no_name_is_a_private_word() -> None:
    assert [line for path, text in SOURCES.items() for line in names.private_words(path, text, ALLOWED)] == []


def test_every_allowance_is_needed() -> None:
    found = {line.split(": ")[1].split(" is named")[0] for path, text in SOURCES.items() for line in _all(path, text)}
    assert set(ALLOWED) == found


def _all(path: str, text: str) -> Iterator[str]:
    return names.private_words(path, text, ())


@pytest.mark.parametrize(
    ("sources", "complaints"),
    [
        ({"a.py": "class A: ...", "b.py": "class B: ..."}, []),
        ({"a.py": "class A: ...", "b.py": "class A: ..."}, ["A: is a class in a.py, b.py"]),
        ({"a.py": "class A:\n    class A: ..."}, ["A: is a class in a.py, a.py"]),
    ],
)
def test_a_class_that_is_defined_twice_is_named(sources: dict[str, str], complaints: list[str]) -> None:
    assert list(names.twice_defined_classes(sources)) == complaints


def test_a_crowded_package_is_named() -> None:
    modules = [f"tidegate/x/m{number}.py" for number in range(16)]
    assert list(names.crowded_packages([*modules[1:], "tidegate/x/__init__.py", "tidegate/x/y/z.py"])) == []
    assert list(names.crowded_packages(modules)) == ["tidegate/x: holds 16 modules, 15 are allowed"]
    assert list(names.crowded_packages(modules, {"tidegate/x": "why"})) == []


@pytest.mark.parametrize(
    ("path", "text", "complaint"),
    [
        ("tidegate/x/door.py", "", "tidegate/x/door.py: door is named with the private word door"),
        ("x.py", "class JobDesk: ...", "x.py: JobDesk is named with the private word desk"),
        ("x.py", "class A:\n    last_rung: int", "x.py: last_rung is named with the private word rung"),
        ("x.py", "class HTTPDoor: ...", "x.py: HTTPDoor is named with the private word door"),
    ],
)
def test_a_private_word_is_named(path: str, text: str, complaint: str) -> None:
    assert list(names.private_words(path, text, ())) == [complaint]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("tidegate/limits/admission.py", "class AdmissionController:\n    doorway: int"),
        ("x.py", "told = 1"),
        ("x.py", "class Formatter: ..."),
    ],
)
def test_other_words_are_left_alone(path: str, text: str) -> None:
    assert list(names.private_words(path, text, ())) == []


def test_an_allowed_name_is_left_alone() -> None:
    assert list(names.private_words("x.py", "class JobDesk: ...", {"JobDesk": "why"})) == []
