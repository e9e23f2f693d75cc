"""A list comes in pages, from either end, after and before an object."""

from typing import Any

import pytest

from tidegate.simulator.refusal import Refusal
from tidegate.simulator.resources.organization import Collection, Organization, Record
from tidegate.simulator.resources.paging import PageBounds, page


def _five() -> Collection:
    collection = Organization().collection("files")
    for name in "abcde":
        collection.add(Record(id=name, body={"id": name}))
    return collection


@pytest.mark.parametrize(
    ("query", "ids", "has_more"),
    [
        ({}, "edcba", False),
        ({"limit": "2"}, "ed", True),
        ({"limit": "2", "after": "d"}, "cb", True),
        ({"limit": "2", "after": "b"}, "a", False),
        ({"order": "asc", "limit": "3"}, "abc", True),
        ({"order": "asc", "before": "c"}, "ab", False),
        ({"after": "a"}, "", False),
        ({"order": "ascending", "limit": "1"}, "a", True),
    ],
)
def test_a_page_has_what_was_requested(query: dict[str, str], ids: str, has_more: bool) -> None:
    found = page(_five(), query)
    assert ("".join(one["id"] for one in found["data"]), found["has_more"]) == (ids, has_more)
    assert (found["first_id"], found["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))


def test_only_what_is_kept_counts() -> None:
    found = page(_five(), {"limit": "2"}, keep=lambda record: record.id in "ace")
    assert ([one["id"] for one in found["data"]], found["has_more"]) == (["e", "c"], True)


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "11"}, {"limit": "x"}, {"order": "up"}, {"after": "z"}])
def test_wrong_parameters_are_refused(query: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        page(_five(), query, bounds=PageBounds(most=10))
