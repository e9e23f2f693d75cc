"""What happens to our own parts has few names, and telling nobody is nothing."""

from pathlib import Path

import pytest

from tidegate.core.events import Happening, Own, untold

GUIDE = Path(__file__).parents[2] / "docs/guide/metrics.md"


@pytest.mark.parametrize("what", list(Own))
def test_each_is_in_the_guide(what: Own) -> None:
    assert f"`{what.value}`" in GUIDE.read_text()


def test_nobody_may_be_told() -> None:
    untold(Happening(Own.REDIS_LOST))
