"""An image is an address, or a data URL with a picture that OpenAI reads."""

import pytest

from tests.simulator.checks.requests import Refused, param_and_code, respond, shows
from tests.simulator.client import Json

REFUSED: list[Refused] = [
    ("chat", shows("tide.png"), "messages[0].content[0].image_url.url", "invalid_value"),
    ("chat", shows("data:text/plain;base64,aGk="), "messages[0].content[0].image_url.url",
     "unsupported_image_media_type"),
    ("chat", shows("data:image/png;base64,"), "messages[0].content[0].image_url.url", "empty_image_file"),
    ("chat", shows("data:image/png;base64,%"), "messages[0].content[0].image_url.url", "invalid_base64_image"),
    ("chat", shows("data:image/png;base64,aGk="), None, "invalid_image_format"),
    ("responses", respond(input=[{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]),
     "input[0].content[0].image_url", "invalid_value"),
]  # fmt: skip


@pytest.mark.parametrize(("route", "body", "param", "code"), REFUSED, ids=range(len(REFUSED)))
def test_what_openai_refuses_is_refused(route: str, body: Json, param: str | None, code: str | None) -> None:
    assert param_and_code(route, body) == (param, code)
