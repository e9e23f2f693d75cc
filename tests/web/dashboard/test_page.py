"""The page and its files are in the package, loaded from nowhere else, and no other site can frame them."""

import pytest
from starlette.requests import Request

from tidegate.core.errors import UnknownRoute
from tidegate.web.dashboard.page import PageFile, PageHandlers, page_files

FILE = PageFile(content=b"x", media_type="text/css", etag='"abc"')


def request(**headers: str) -> Request:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request(
        {"type": "http", "method": "GET", "path": "/dashboard/files/a.css", "headers": named, "query_string": b""}
    )


async def test_a_file_comes_with_its_policy_and_is_not_sent_twice() -> None:
    handlers = PageHandlers({"a.css": FILE})
    answer = await handlers.file(request(), "a.css")
    assert (answer.status_code, answer.body, answer.headers["etag"]) == (200, b"x", '"abc"')
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = await handlers.file(request(if_none_match='W/"abc"'), "a.css")
    assert (again.status_code, again.body) == (304, b"")


@pytest.mark.parametrize("name", ["", "b.css", "../page.py", "/etc/passwd"])
async def test_what_is_no_file_of_the_page_is_an_unknown_address(name: str) -> None:
    with pytest.raises(UnknownRoute):
        await PageHandlers({"a.css": FILE}).file(request(), name)


def test_all_files_are_small_and_of_known_kinds() -> None:
    found = page_files()
    assert sum(len(file.content) for file in found.values()) <= 150 * 1024
    assert {file.media_type.partition(";")[0] for file in found.values()} <= {
        "text/html", "text/css", "text/javascript", "image/svg+xml",
    }  # fmt: skip
