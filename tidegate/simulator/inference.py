"""The answers of the inference endpoints, for a request of its own and for a line of a batch."""

import re
from collections.abc import Mapping

import msgspec

from tidegate.simulator.answers import chat, completions, embeddings, moderations, responses
from tidegate.simulator.answers.prompts import with_prompt
from tidegate.simulator.answers.questions import GenerationRequest
from tidegate.simulator.answers.reply import AnswerIdentity, Json, SimulatedReply, TokenKinds
from tidegate.simulator.billing.meter import Meter
from tidegate.simulator.billing.tariff import BATCH
from tidegate.simulator.checks.parameters import check
from tidegate.simulator.checks.reasoning_items import StoredReasoning
from tidegate.simulator.options import RequestBehavior
from tidegate.simulator.refusal import Refusal, invalid
from tidegate.simulator.resources.calls import LineAnswer

_WRITES = re.compile(r"gpt-(5\.[6-9]|[6-9])")
"""Models that state which tokens they write to the cache."""
_LONG = 1024
"""The number of tokens from which the prompt cache remembers a prompt."""
_ROUTES: Mapping[str, str] = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "responses",
    "/v1/embeddings": "embeddings",
    "/v1/moderations": "moderations",
    "/v1/completions": "completions",
}
_AT_ONCE = RequestBehavior(latency=0.0, ttft=0.0, tps=0.0, stop_seconds=0.0, tokens=None, fault=None)


class SimulatedInference:
    """Makes answers. Its state is the prompts it has seen, and the reasoning that it has stored."""

    def __init__(self) -> None:
        self._seen: dict[int, None] = {}
        self._stored = StoredReasoning()

    def reply(
        self, route: str, body: Json, how: RequestBehavior, digits: str, *, now: float
    ) -> tuple[SimulatedReply, int]:
        """Return the reply, and the tokens that the rate limit takes for it in advance. Raises Refusal."""
        if how.strict:
            check(route, body, self._stored)
        try:
            reply, wanted = self._make(route, body, how, AnswerIdentity(digits=digits, now=now))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # parameters without a check of their own raise errors when they are used
            raise invalid("Invalid type or value in the request.") from error
        if route == "responses" and body.get("store") is not False:
            self._stored.remember(reply.body)
        return reply, wanted

    def answer_line(self, url: str, body: Json, digits: str, now: float) -> LineAnswer:
        """Return the answer to a line of a batch, which is never streamed."""
        route = _ROUTES[url]
        try:
            model = model_of(body, route)
            if body.get("stream"):
                raise invalid("Streaming is not supported in the Batch API.", param="stream")
            whole = with_prompt(body) if route == "responses" else body
            reply, _ = self.reply(route, whole, _AT_ONCE, digits, now=now)
        except Refusal as refused:
            return LineAnswer(status=refused.status, body={"error": refused.error})
        meter = Meter(model, reply)
        meter.count_input()
        meter.count_share()
        usage = msgspec.structs.replace(meter.usage(), tier=BATCH)
        return LineAnswer(status=200, body=reply.body, model=model, usage=usage)

    def _make(
        self, route: str, body: Json, how: RequestBehavior, identity: AnswerIdentity
    ) -> tuple[SimulatedReply, int]:
        if route == "embeddings":
            reply = embeddings.reply(body)
            return reply, reply.input_tokens
        if route == "moderations":
            reply = moderations.reply(body, identity)
            return reply, reply.input_tokens
        if route == "completions":
            reply = completions.reply(body, identity, how.tokens)
            return reply, reply.input_tokens + reply.output_tokens
        module = chat if route == "chat" else responses
        question = module.generation_request(body, how.tokens)
        if "input" in how.usage:
            question = msgspec.structs.replace(question, input_tokens=how.usage["input"])
        cached, written = self._cached(question)
        kinds = {"cache_write": written, **how.usage}
        identity = msgspec.structs.replace(
            identity,
            cached_tokens=how.usage.get("cached", cached),
            kinds=TokenKinds(**{name: kinds[name] for name in TokenKinds.__struct_fields__ if name in kinds}),
            tools=how.tools,
            states_tool_usage=how.states_tool_usage,
        )
        return module.reply(body, question, identity), question.input_tokens + (question.max_tokens or 0)

    def _cached(self, question: GenerationRequest) -> tuple[int, int]:
        """Return the tokens of a long prompt that are read from the cache and written to it, in steps of 128.

        OpenAI states what is written from GPT-5.6 on, and charges more for it.
        """
        if question.input_tokens < _LONG:
            return 0, 0
        is_cached = question.seed in self._seen
        self._seen[question.seed] = None
        if len(self._seen) > 1000:
            del self._seen[next(iter(self._seen))]
        tokens = question.input_tokens // 128 * 128
        if is_cached:
            return tokens, 0
        return 0, tokens if _WRITES.match(question.model) else 0


def model_of(body: Json, route: str) -> str:
    """Return the model that a request names. Raises Refusal where it names none."""
    model = body.get("model")
    if isinstance(model, str) and model:
        return model
    if route == "moderations" and model is None:
        return "omni-moderation-latest"
    raise invalid("you must provide a model parameter")
