"""What was found is shown with its marks, and searches keep within their bounds."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from tidegate.conversations.storage.search import MATCH_END, MATCH_START, SearchHit, SearchQuery
from tidegate.web.admin.data_schemas import MessageSearchQuery, MessageView


def test_a_search_is_the_searchers() -> None:
    asked = MessageSearchQuery(words="tide", end_user="ada", before=datetime(2026, 11, 24, tzinfo=UTC))
    assert asked.to_search() == SearchQuery(words="tide", end_user="ada", before=1_795_478_400.0)


@pytest.mark.parametrize(
    "bad", [{"words": ""}, {"words": "x" * 1001}, {"words": "x", "limit": 0}, {"words": "x", "y": 1}]
)
def test_what_is_out_of_bounds_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MessageSearchQuery.model_validate(bad)


def test_what_was_found_is_marked() -> None:
    where = {"project": "shop", "conversation": "c", "turn": None, "role": "user", "end_user": None, "model": None}
    found = SearchHit(at=1.0, id="m", excerpt=f"high {MATCH_START}tide{MATCH_END}", **where)  # type: ignore[arg-type]  # texts, all
    assert MessageView.of(found).excerpt == "high **tide**"
