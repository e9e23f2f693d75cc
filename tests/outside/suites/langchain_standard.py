"""LangChain's standard tests of chat models and embeddings, for its OpenAI classes, through the gateway.

It runs in the environment of the outside suites. `OPENAI_BASE_URL` and `OPENAI_API_KEY` name the gateway.
"""

import base64
from typing import Any, Literal, cast

import httpx
import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
DETAILS: list[Any] = ["audio_input", "audio_output", "reasoning_output", "cache_read_input"]
LONG = "tide " * 1200
"""Long enough for the prompt cache."""


@pytest.fixture(autouse=True)
def files_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the tests that fetch a picture, a document or a sound from the internet one from here."""

    def get(url: str, **_: Any) -> httpx.Response:
        content = b"%PDF-1.4\n%%EOF\n" if url.endswith(".pdf") else PICTURE
        return httpx.Response(200, content=b"RIFF\0\0\0\0WAVE" if url.endswith(".wav") else content)

    monkeypatch.setattr(httpx, "get", get)


class TestChat(ChatModelIntegrationTests):
    """The chat API."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "gpt-4o-mini", "stream_usage": True}

    @property
    def model_override_value(self) -> str:
        return "gpt-4o"

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_pdf_inputs(self) -> bool:
        return True

    @property
    def supports_audio_inputs(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def supported_usage_metadata_details(self) -> dict[Literal["invoke", "stream"], list[Any]]:
        return {"invoke": DETAILS, "stream": DETAILS}

    def invoke_with_audio_input(self, *, stream: bool = False) -> AIMessage:
        return self._ask("Hello", stream=stream)

    def invoke_with_audio_output(self, *, stream: bool = False) -> AIMessage:
        audio = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
        return self._ask("Hello", stream=stream, model_kwargs=audio)

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        return self._ask("Hello", stream=stream, model="o4-mini")

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        self._ask(LONG, stream=stream)
        return self._ask(LONG, stream=stream)

    def _ask(self, words: str, *, stream: bool, **options: Any) -> AIMessage:
        model = ChatOpenAI(**{**self.chat_model_params, **options})
        if not stream:
            return model.invoke(words)
        first, *others = model.stream(words)
        for chunk in others:
            first = cast("Any", first) + chunk
        return first


class TestResponses(TestChat):
    """The Responses API."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**super().chat_model_params, "use_responses_api": True}

    @property
    def supports_audio_inputs(self) -> bool:
        return False  # the Responses API takes none

    @property
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    def supports_pdf_tool_message(self) -> bool:
        return True

    @property
    def supported_usage_metadata_details(self) -> dict[Literal["invoke", "stream"], list[Any]]:
        details = [detail for detail in DETAILS if not detail.startswith("audio")]
        return {"invoke": details, "stream": details}


class TestEmbeddings(EmbeddingsIntegrationTests):
    """The embeddings API."""

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        # counting tokens itself, it would fetch a tokenizer from the internet
        return {"model": "text-embedding-3-small", "check_embedding_ctx_length": False}
