"""Two checkouts are compared by their command lines alone, and the comparison leaves no process behind."""

import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.free_ports import first_of_free_ports

ROOT = Path(__file__).parents[2]
CORES = len(psutil.Process().cpu_affinity()) if sys.platform == "linux" else 0
MOST_SECONDS = 300
"""On a machine with much other work; alone it takes less than 30 s."""

pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.skipif(CORES < 2, reason="it keeps the gateways on one core and all else on another"),
]


def paired(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.paired", "--smoke", "--port", str(first_of_free_ports()), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=2 * MOST_SECONDS, check=False)


def left_behind() -> list[str]:
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if f"{ROOT}/.benchmarks/paired-" in line]


def test_a_checkout_beside_itself_makes_the_same_calls() -> None:
    done = paired("--old", str(ROOT), "--deadline", str(MOST_SECONDS))
    assert done.returncode == 0, done.stderr
    for title in ("Gateway CPU", "Redis CPU", "Each second", "Function calls"):
        assert title in done.stdout
    rows = re.findall(r"^\| (miss|hit|chunk), one at a time \| ([\d,]+) \| ([\d,]+) ", done.stdout, re.MULTILINE)
    assert [kind for kind, _, _ in rows] == ["miss", "hit", "chunk"]
    for _, old, new in rows:
        assert int(new) == pytest.approx(int(old), rel=0.1)
    assert left_behind() == []


def test_at_its_deadline_it_ends_what_it_started() -> None:
    done = paired("--old", str(ROOT), "--deadline", "5")
    assert done.returncode == 1
    assert "was not done within 5 s" in done.stderr
    assert left_behind() == []


def test_a_folder_without_tidegate_is_told(tmp_path: Path) -> None:
    done = paired("--old", str(tmp_path), "--deadline", str(MOST_SECONDS))
    assert done.returncode == 1
    assert "not the checkout" in done.stderr
