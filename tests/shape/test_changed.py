"""A change runs the tests that it touches, and not the others."""

import pytest

from tests.shape.changed import touched

SOURCES = {
    "tidegate/limits/rates.py": "",
    "tidegate/limits/budgets.py": "from tidegate.limits import rates",
    "tidegate/assembly/limits.py": "import tidegate.limits.budgets",
    "tidegate/app.py": "from tidegate.assembly.limits import build\n",
    "tidegate/errors/__init__.py": "",
    "tests/conftest.py": "",
    "tests/harness.py": "from tidegate.app import build",
    "tests/test_app.py": "def test():\n    from tidegate.app import build\n",
    "tests/test_docs.py": "",
    "tests/limits/test_rates.py": "",
    "tests/limits/test_budgets.py": "from tidegate.limits.budgets import Budgets",
    "tests/limits/more/test_both.py": "from tidegate.limits import budgets, rates\nfrom tidegate.errors import Refused",
    "tests/sockets/conftest.py": "from tests.sockets.world import World",
    "tests/sockets/world.py": "from tests.harness import World",
    "tests/sockets/test_calls.py": "",
}
DOCS = "tests/test_docs.py"
LIMITS = ["tests/limits/more/test_both.py", "tests/limits/test_budgets.py", "tests/limits/test_rates.py"]


@pytest.mark.parametrize(
    ("changed", "tests"),
    [
        ([], []),
        (["README.md"], [DOCS]),
        (["tests/limits/test_rates.py"], ["tests/limits/test_rates.py", DOCS]),
        (["tests/limits/test_deleted.py"], [DOCS]),
        (["tidegate/limits/rates.py"], ["tests/limits/more/test_both.py", "tests/limits/test_rates.py", DOCS]),
        (["tidegate/errors/__init__.py"], ["tests/limits/more/test_both.py", DOCS]),
        (["tidegate/assembly/limits.py"], ["tests/sockets/test_calls.py", "tests/test_app.py", DOCS]),
        (["tidegate/limits/rates.lua"], [*LIMITS, DOCS]),
        (["tidegate/limits/sql/rates.sql"], [*LIMITS, DOCS]),
        (["tests/harness.py"], ["tests/sockets/test_calls.py", DOCS]),
        (["tests/conftest.py"], [*LIMITS, "tests/sockets/test_calls.py", "tests/test_app.py", DOCS]),
    ],
)
def test_a_change_touches(changed: list[str], tests: list[str]) -> None:
    assert touched(changed, SOURCES) == sorted(tests)


def test_a_module_that_is_gone_touches_those_that_still_import_it() -> None:
    sources = {"tests/limits/more/test_both.py": "from tidegate.limits import gone"}
    assert touched(["tidegate/limits/gone.py"], sources) == ["tests/limits/more/test_both.py"]
