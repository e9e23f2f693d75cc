"""What one call has used so far: OpenAI charges for what it read and wrote, whether or not it arrives.

In this order a call comes to cost something:
  refused, before anything was read                        nothing
  taken in: its prompt is read                             the input
  each piece of a stream, as it is written                 the input, and the text so far
  a whole answer, once it is written                       the input, and all of it
A stream that fails before its first word is refused, too.
"""

from collections.abc import Mapping

import msgspec

from tidegate.simulator.answers.counting import tokens_for
from tidegate.simulator.answers.hosted_tools import billed_name
from tidegate.simulator.answers.reply import Json, SimulatedReply
from tidegate.simulator.billing.tariff import NO_TOKENS, TokenUsage

_TEXT_FIELDS = ("content", "refusal")


class Meter:
    """Counts one call's tokens while it is served."""

    def __init__(self, model: str, reply: SimulatedReply) -> None:
        """`reply` is the answer if no fault interferes."""
        self._model = model
        self._reply = reply
        self._texts: dict[tuple[int, int], list[str]] = {}
        """The text so far of each choice, or of each part of a response."""
        self._items: list[Json] = []
        self._read = False
        self._share = 0.0

    @property
    def has_output(self) -> bool:
        """Return whether a stream has sent any text."""
        return bool(self._texts)

    def count_input(self) -> None:
        """Charge the input: the prompt was read."""
        self._read = True

    def clear_input(self) -> None:
        """Do not charge the input after all: the request was refused."""
        self._read = False

    def count_share(self, share: float = 1.0) -> None:
        """Charge this share of the output, in whatever form it is sent."""
        self._share = max(self._share, min(1.0, share))

    def count_event(self, event: Json) -> None:
        """Charge the text of one event of a stream."""
        if event.get("type") == "response.output_item.added":
            self._items.append(event["item"])
        for place, text in _texts(event):
            self._texts.setdefault(place, []).append(text)

    def usage(self) -> TokenUsage:
        """Return the tokens so far."""
        if not self._read:
            return NO_TOKENS
        reply = self._reply
        output = self._output()
        kinds = msgspec.structs.asdict(reply.kinds)
        kinds["output_audio"] = min(kinds["output_audio"], output)
        kinds["output_image"] = min(kinds["output_image"], output - kinds["output_audio"])
        return TokenUsage(
            input=reply.input_tokens,
            cached=reply.cached_tokens,
            output=output,
            tier=reply.service_tier,
            fees=self._fees(),
            **kinds,
        )

    def _fees(self) -> tuple[str, ...]:
        """Return what is billed besides the tokens: the items that were written, or all of a whole answer."""
        reply = self._reply
        items = reply.body.get("output") or () if self._share else self._items
        names = [name for item in items if (name := billed_name(item, list(reply.tools)))]
        containers = {name for name in names if name.startswith("container")}
        fees = [*(name for name in names if name not in containers), *sorted(containers)]
        if reply.searches and (self._share or self._texts):
            fees.append(reply.searches)
        return tuple(fees)

    def _output(self) -> int:
        if self._share or not self._texts:
            return int(self._reply.output_tokens * self._share)
        tokens = tokens_for(self._model)
        text = sum(tokens.count("".join(pieces)) for pieces in self._texts.values())
        return text + self._reply.unseen_tokens


def _texts(event: Json) -> list[tuple[tuple[int, int], str]]:
    """Return the texts that an event adds to the answer, with their positions."""
    if "type" in event:
        delta = event.get("delta")
        place = (event.get("output_index", 0), event.get("content_index", 0))
        return [(place, delta)] if isinstance(delta, str) and not event["type"].startswith("response.reasoning") else []
    return [
        ((choice["index"], number), text)
        for choice in event["choices"]
        for number, text in enumerate(_choice_texts(choice))
        if text
    ]


def _choice_texts(choice: Mapping[str, Json]) -> list[str]:
    """Return the texts of a choice, which has them in its delta, or itself in a legacy completion."""
    return _delta_texts(choice["delta"]) if "delta" in choice else [str(choice.get("text") or "")]


def _delta_texts(delta: Mapping[str, Json]) -> list[str]:
    """Return the texts of a delta: its content, its refusal, and the arguments of the first tool call."""
    texts = [str(delta.get(name) or "") for name in _TEXT_FIELDS]
    for call in delta.get("tool_calls") or ():
        called = call.get("function") or call.get("custom") or {}  # type: ignore[attr-defined]  # JSON
        texts.append(called.get("arguments") or called.get("input") or "")
    return texts
