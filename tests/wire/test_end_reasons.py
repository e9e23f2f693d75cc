"""An event, or a whole body, says why the answer ended or does not; a joined call's ledger entry depends on it."""

import pytest

from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import EmptyAnswer
from tidegate.wire import sse
from tidegate.wire.stream_observer import observer_for, states_end

CHAT, RESPONSES = endpoints.CHAT, endpoints.RESPONSES


@pytest.mark.parametrize(
    ("route", "told", "said"),
    [
        (CHAT, b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n', True),
        (CHAT, b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n', False),
        (CHAT, sse.DONE, False),
        (CHAT, b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "length"}]}', True),
        (CHAT, b'{"choices":[{"message":{"content":"Hi"},"finish_reason":null}]}', False),
        (RESPONSES, b'{"object":"response","status":"completed","output":[]}', True),
        (RESPONSES, b'{"object":"response","status":"incomplete","incomplete_details":null,"output":[]}', False),
        (
            RESPONSES,
            sse.encode(
                b'{"type":"response.incomplete","response":{"status":"incomplete","output":[],'
                b'"incomplete_details":{"reason":"max_output_tokens"}}}',
                "response.incomplete",
            ),
            True,
        ),
        (RESPONSES, b'data: {"type":"response.output_text.delta","delta":"Hi"}\n\n', False),
        (endpoints.EMBEDDINGS, b'{"data":[]}', True),
    ],
)
def test_an_answer_says_why_it_ended_or_not(route: Endpoint, told: bytes, said: bool) -> None:
    assert states_end(route, told) is said


def test_an_empty_list_of_choices_is_no_fault_of_the_target_and_its_usage_is_known() -> None:
    observer = observer_for(endpoints.CHAT)
    with pytest.raises(EmptyAnswer):
        observer.observe_body(b'{"choices": [], "usage": {"prompt_tokens": 9}}')
    assert observer.usage == b'{"prompt_tokens": 9}'
