"""The worst finding gives the exit code."""

import pytest

from tidegate.doctor.finding import EXIT_CODES, DoctorFinding, bad, doubtful, good, worst


@pytest.mark.parametrize(
    ("findings", "code"),
    [([], 0), ([good("a", "x")], 0), ([good("a", "x"), doubtful("b", "x", "y")], 1),
     ([bad("c", "x", "y"), doubtful("b", "x", "y")], 2)],
)  # fmt: skip
def test_the_worst_finding_gives_the_exit_code(findings: list[DoctorFinding], code: int) -> None:
    assert EXIT_CODES[worst(findings)] == code
