"""Tags are read from a header and from configured names of metadata; what is malformed gets a clear error."""

from typing import Any

import pytest

from tidegate.core.errors import InvalidParameter
from tidegate.core.tags import MAX_TAGS, Tag, parse_tag, read_tags

NAMES = ("feature", "tenant")


@pytest.mark.parametrize(
    ("header", "metadata", "tags"),
    [
        (None, None, None),
        ("", None, None),
        (" , ", None, None),
        ("feature=search,tenant=acme", None, {"feature": "search", "tenant": "acme"}),
        (" feature = search , tenant = acme inc. ", None, {"feature": "search", "tenant": "acme inc."}),
        ("a.b-c_1=x=y/z:%", None, {"a.b-c_1": "x=y/z:%"}),
        (None, {"tenant": "acme", "other": "x"}, {"tenant": "acme"}),
        ("tenant=header", {"tenant": "metadata", "feature": "search"}, {"tenant": "header", "feature": "search"}),
        (None, {"tenant": "Zoë 🦊"}, {"tenant": "Zoë 🦊"}),
        (None, {"tenant": "a\0b\n\ud800" + "c" * 200}, {"tenant": "ab" + "c" * 123}),
        (None, {"tenant": 7, "feature": None}, None),
        (None, {"tenant": "\0"}, None),
        (None, "no object", None),
    ],
)
def test_tags_are_read(header: str | None, metadata: Any, tags: dict[str, str] | None) -> None:
    assert read_tags(header, metadata, NAMES) == tags


def test_without_configured_names_metadata_is_no_tag() -> None:
    assert read_tags(None, {"tenant": "acme"}, ()) is None


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("tenant", "it has no value"),
        ("tenant=", "it has no value"),
        ("=acme", "its name has"),
        ("ten ant=acme", "its name has"),
        ("_x=acme", "its name has"),
        ("x" * 65 + "=acme", "its name has"),
        ("tenant=" + "x" * 129, "its value has"),
        ("tenant=a\tb", "its value has"),
        ("tenant=Zoë", "a header holds ASCII only"),
        ("tenant=a,tenant=b", "its name comes twice"),
        (",".join(f"n{number}=x" for number in range(MAX_TAGS + 1)), "has 11 tags"),
    ],
)
def test_a_malformed_header_is_told(header: str, reason: str) -> None:
    with pytest.raises(InvalidParameter) as raised:
        read_tags(header, None, NAMES)
    assert reason in raised.value.message
    assert "Zoë" not in raised.value.message


def test_a_tag_is_written_as_it_is_read() -> None:
    assert parse_tag(" tenant = acme=1 ") == Tag("tenant", "acme=1")
    assert parse_tag("tenant=acme=1").text == "tenant=acme=1"
