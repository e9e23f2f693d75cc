"""A caller says which steps of the ladder may be taken."""

import pytest

from tidegate.core.errors import InvalidParameter
from tidegate.routing.fallback_header import rungs_of
from tidegate.routing.plan import NONE, Rungs


@pytest.mark.parametrize(
    ("stated", "rungs"),
    [
        (None, None),
        ("on", None),
        ("off", NONE),
        (" OFF ", NONE),
        ("credentials", Rungs(targets=False, stale=False, canned=False)),
        ("targets, Stale", Rungs(credentials=False, canned=False)),
        ("credentials,targets,stale,canned", Rungs()),
    ],
)
def test_what_is_allowed(stated: str | None, rungs: Rungs | None) -> None:
    assert rungs_of(stated) == rungs


@pytest.mark.parametrize("stated", ["", "no", "off, stale", "stale, on", ",", "targets;stale"])
def test_what_makes_no_sense_is_refused_and_says_what_would(stated: str) -> None:
    with pytest.raises(InvalidParameter, match="credentials, targets, stale, canned"):
        rungs_of(stated)
