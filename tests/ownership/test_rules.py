"""What is mine is sent to its account; what is another's, or of no record, is not found, in the same words."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.errors import ObjectsApart, UpstreamObjectNotFound
from tidegate.ownership.owned_object import ObjectReference, OwnedObject, OwnedPlace
from tidegate.ownership.rules import Unrecorded, judge, not_found
from tidegate.wire.operations.operation import ObjectKind

HERE, THERE = OwnedPlace("openai", "a"), OwnedPlace("openai", "b")


def named(object_id: str, kind: ObjectKind = ObjectKind.FILE) -> ObjectReference:
    """Return a reference to an object."""
    return ObjectReference(object_id, kind, "file_id")


def mine(object_id: str, place: OwnedPlace = HERE, *, is_forgotten: bool = False) -> OwnedObject:
    """Return a record of the project."""
    return OwnedObject(
        id=object_id, kind=ObjectKind.FILE, place=place, created_at=1.0, end_user=None, is_forgotten=is_forgotten
    )


OWNED = {"m1": mine("m1"), "m2": mine("m2"), "far": mine("far", THERE), "old": mine("old", is_forgotten=True)}
OWNED["somewhere"] = mine("somewhere", OwnedPlace("openai", ""))


@pytest.mark.parametrize(
    ("ids", "unrecorded", "outcome"),
    [
        ([], "refuse", None),
        (["m1"], "refuse", HERE),
        (["m1", "m2"], "allow", HERE),
        (["m1", "theirs"], "refuse", UpstreamObjectNotFound),
        (["theirs"], "allow", UpstreamObjectNotFound),
        (["unknown"], "refuse", UpstreamObjectNotFound),
        (["unknown"], "allow", None),
        (["unknown", "m1"], "allow", HERE),
        (["old"], "allow", UpstreamObjectNotFound),
        (["old"], "refuse", UpstreamObjectNotFound),
        (["m1", "far"], "refuse", ObjectsApart),
        (["somewhere"], "refuse", None),
        (["somewhere", "far"], "refuse", THERE),
    ],
)
def test_the_table(ids: list[str], unrecorded: Unrecorded, outcome: OwnedPlace | type[Exception] | None) -> None:
    references = [named(one) for one in ids]
    if isinstance(outcome, type):
        with pytest.raises(outcome):
            judge(references, OWNED, {"theirs"}, unrecorded=unrecorded)
    else:
        assert judge(references, OWNED, {"theirs"}, unrecorded=unrecorded) == outcome


IDS = st.sampled_from(["m1", "m2", "theirs", "unknown", "old"])


@given(st.lists(IDS, max_size=6), st.sampled_from(get_args(Unrecorded)))
def test_nothing_of_others_is_ever_let_through(ids: list[str], unrecorded: Unrecorded) -> None:
    try:
        judge([named(one) for one in ids], OWNED, {"theirs"}, unrecorded=unrecorded)
    except UpstreamObjectNotFound:
        assert {"theirs", "old", "unknown"} & set(ids)
    else:
        assert not {"theirs", "old"} & set(ids)
        assert unrecorded == "allow" or "unknown" not in ids


@pytest.mark.parametrize("kind", ObjectKind)
@pytest.mark.parametrize("unrecorded", get_args(Unrecorded))
def test_another_projects_object_and_none_are_not_to_be_told_apart(kind: ObjectKind, unrecorded: Unrecorded) -> None:
    refused = []
    for others in ({"x"}, set()):
        try:
            judge([named("x", kind)], {}, others, unrecorded=unrecorded)
        except UpstreamObjectNotFound as error:
            refused.append((error.message, error.param, error.code))
    assert len(set(refused)) == 1
    assert "x" in refused[0][0]


def test_the_words_are_openais_where_other_objects_are_let_through() -> None:
    assert not_found(named("file-x"), unrecorded="allow").message == "No such File object: file-x"
    assert "tidegate objects assign" in not_found(named("file-x"), unrecorded="refuse").message
    assert len(not_found(named("x" * 5000), unrecorded="allow").message) < 300
