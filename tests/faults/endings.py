"""How an answer ended: whole, as a complete stream, with an error, or not at all."""

from collections.abc import Callable

from tests.faults import speech
from tests.faults.configuration import CANNED
from tests.harness import Answer, Json, data_of
from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint


def ended(route: Endpoint, answer: Answer) -> tuple[str, str | None]:
    """Return `whole`, `stream`, `error`, `error event` or `incomplete`, and the code of an error."""
    if not answer.headers.get("content-type", "").startswith("text/event-stream"):
        if answer.status == 200:
            return ("whole" if _is_whole(route, answer.json) else "incomplete"), None
        return "error", answer.error["code"]
    events = data_of(answer.text)
    if events and "error" in events[-1] and isinstance(events[-1]["error"], dict):
        return "error event", events[-1]["error"].get("code")
    return ("stream" if _ENDS[route](answer.text, events) else "incomplete"), None


def _is_whole(route: Endpoint, document: Json) -> bool:
    if route is endpoints.EMBEDDINGS:
        return len(document["data"]) == 1
    if route is endpoints.CHAT:
        return document["choices"][0]["message"]["content"] in _GOOD_TEXTS
    return document["output"][0]["content"][0]["text"] in _GOOD_TEXTS


def _chat_is_complete(text: str, events: list[Json]) -> bool:
    said = "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])
    return said in _GOOD_TEXTS and text.endswith("data: [DONE]\n\n")


def _response_is_complete(_: str, events: list[Json]) -> bool:
    said = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    return said in _GOOD_TEXTS and bool(events[-1]["type"] == "response.completed")


_GOOD_TEXTS = ("".join(speech.WORDS), CANNED)
_ENDS: dict[Endpoint, Callable[[str, list[Json]], bool]] = {
    endpoints.CHAT: _chat_is_complete,
    endpoints.RESPONSES: _response_is_complete,
}
