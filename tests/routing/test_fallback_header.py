"""A caller says which steps of the ladder may be taken."""

import pytest

from tidegate.core.errors import InvalidParameter
from tidegate.routing.fallback_header import allowed_steps
from tidegate.routing.plan import NO_STEPS, AllowedSteps


@pytest.mark.parametrize(
    ("stated", "rungs"),
    [
        (None, None),
        ("on", None),
        ("off", NO_STEPS),
        (" OFF ", NO_STEPS),
        ("credentials", AllowedSteps(targets=False, stale=False, canned=False)),
        ("targets, Stale", AllowedSteps(credentials=False, canned=False)),
        ("credentials,targets,stale,canned", AllowedSteps()),
    ],
)
def test_what_is_allowed(stated: str | None, rungs: AllowedSteps | None) -> None:
    assert allowed_steps(stated) == rungs


@pytest.mark.parametrize("stated", ["", "no", "off, stale", "stale, on", ",", "targets;stale"])
def test_what_makes_no_sense_is_refused_and_says_what_would(stated: str) -> None:
    with pytest.raises(InvalidParameter, match="credentials, targets, stale, canned"):
        allowed_steps(stated)
