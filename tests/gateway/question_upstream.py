"""An upstream that answers questions by their topic, and is verifier and judge, too: right ones, if not told to err."""

import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping

import msgspec
from aiohttp import web

from tests.free_ports import first_of_free_ports
from tests.harness import Json

_LETTERS = re.compile(r"\b([A-Z]) if (?:it|there)")
ANSWERING, VERIFIER, JUDGE = "gpt-4o-mini", "gpt-4.1-nano", "gpt-4.1-mini"


class QuestionUpstream:
    """Answers each question with the name of its topic, and counts the calls of each model."""

    def __init__(self, topics: Mapping[str, str]) -> None:
        """`topics` has the topic of each question, by its text in lower case."""
        self._topics = dict(topics)
        self.calls: Counter[str] = Counter()
        self.prompts: list[Json] = []
        """What verifier and judge were shown."""
        self.confused: set[frozenset[str]] = set()
        """Pairs of topics that the verifier takes for the same."""
        self.silent: set[str] = set()
        """Models that fail."""
        self.base_url = ""

    def add_topic(self, question: str, topic: str) -> None:
        """Know one more question."""
        self._topics[question.casefold()] = topic

    def topic_of(self, question: str) -> str:
        """Return the topic of a question."""
        return self._topics[question.casefold().rstrip(" ?!.")]

    async def _chat(self, request: web.Request) -> web.Response:
        body = msgspec.json.decode(await request.read())
        model, text = body["model"], body["messages"][-1]["content"]
        self.calls[model] += 1
        if model in self.silent:
            return web.json_response({"error": {"message": "Overloaded.", "type": "server_error"}}, status=503)
        return web.json_response(self._completion(model, self._reply(body, model, text)))

    def _reply(self, body: Json, model: str, text: str) -> str:
        if model == ANSWERING:
            return self.topic_of(text)
        shown = msgspec.json.decode(text)
        self.prompts.append(shown)
        system = body["messages"][0]["content"]
        topic = self.topic_of(shown["new_question"])
        if "answer" in shown:
            yes, no = _LETTERS.findall(system)
            return str(yes if shown["answer"] == topic else no)
        for each in shown["earlier_questions"]:
            earlier = each["answer_begins"]
            if earlier == topic or frozenset({earlier, topic}) in self.confused:
                return str(each["letter"])
        return str(_LETTERS.findall(system)[-1])

    def _completion(self, model: str, text: str) -> Json:
        message = {"role": "assistant", "content": text}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 600, "completion_tokens": 250, "total_tokens": 850},
        }

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["QuestionUpstream"]:
        """Serve on a free port."""
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._chat)
        runner = web.AppRunner(app)
        await runner.setup()
        port = first_of_free_ports(1)
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.base_url = f"http://127.0.0.1:{port}/v1"
        try:
            yield self
        finally:
            await runner.cleanup()
