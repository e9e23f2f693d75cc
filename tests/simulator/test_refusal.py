"""A refusal is OpenAI's envelope with all four fields, and an HTML page stays a page."""

import msgspec

from tidegate.simulator.refusal import HtmlPageRefusal, Refusal, invalid


def test_all_four_fields_are_there() -> None:
    assert msgspec.json.decode(invalid("No.", param="n").body) == {
        "error": {"message": "No.", "type": "invalid_request_error", "param": "n", "code": None}
    }


def test_headers_are_kept_beside_it() -> None:
    assert Refusal(429, "Wait.", headers={"retry-after": "1"}).headers == {"retry-after": "1"}


def test_a_page_is_no_json() -> None:
    page = HtmlPageRefusal(502, "<html></html>")
    assert (page.status, page.body) == (502, b"<html></html>")
    assert page.content_type.startswith("text/html")
