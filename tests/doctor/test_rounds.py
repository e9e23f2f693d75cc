"""Checks run together; one that hangs or fails is a line of its own, and hides no other. No line has a key."""

import asyncio

from tidegate.core.errors import PostgresUnavailable
from tidegate.doctor.finding import DoctorFinding, Verdict, good
from tidegate.doctor.rounds import run_checks

KEY = "sk-proj-" + "q7" * 24


async def hang() -> list[DoctorFinding]:
    await asyncio.Event().wait()
    return []


async def fail() -> list[DoctorFinding]:
    raise PostgresUnavailable(f"PostgreSQL refused {KEY}.")


async def succeed() -> list[DoctorFinding]:
    return [good("c", f"fine {KEY}")]


async def test_each_check_has_its_line() -> None:
    found = await run_checks({"a": hang, "b": fail, "c": succeed}, seconds=0.1)
    assert [(each.check, each.verdict) for each in found] == [
        ("a", Verdict.BAD), ("b", Verdict.BAD), ("c", Verdict.GOOD)
    ]  # fmt: skip
    assert KEY not in str(found)


async def test_all_hang_together_and_not_one_after_the_other() -> None:
    began = asyncio.get_running_loop().time()
    await run_checks({str(number): hang for number in range(20)}, seconds=0.1)
    assert asyncio.get_running_loop().time() - began < 1.5
