"""The inference endpoints: one entry in one table for each, with everything that differs between them.

To add an endpoint, add its entry here. The web layer serves every entry; the cache, the limits, the ledger and the
providers read what they need from it. Only a body or a stream of a new format needs more: code in `wire`.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec


class Format(Enum):
    """How an endpoint's bodies and streams are built; `wire` has a module for each."""

    CHAT = "chat"
    """Messages in; choices out; a stream of chunks that ends with `[DONE]`."""
    RESPONSES = "responses"
    """Input items in; output items out; a stream of named events that ends with a terminal one."""
    PLAIN = "plain"
    """One JSON object in, one out. The gateway forwards both untouched."""


class Endpoint(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """One inference endpoint of OpenAI's API. Compare entries by identity."""

    label: str
    """Low-cardinality name, in the ledger, the metrics and the configuration."""
    path: str
    """Its path at OpenAI and at the gateway."""
    summary: str
    """One line for the API's description."""
    format: Format
    streams: bool = False
    """Whether a caller may ask for `stream: true`."""
    free: bool = False
    """Whether OpenAI charges nothing for it."""
    writes: bool = False
    """Whether the model writes tokens that are charged as output."""
    output_caps: tuple[str, ...] = ()
    """The parameters by which a caller limits the output, in tokens."""
    default_model: str | None = None
    """The model that answers where the caller names none; None where the caller must name one."""
    deployment_in_path: bool = False
    """Whether Azure's older surface puts the deployment's name into the path."""
    defaults: Mapping[str, Any] = {}
    """OpenAI's default parameters: for the cache, sending one is the same as leaving it out."""
    echoes: tuple[str, ...] = ()
    """Fields of the caller that the answer repeats, and that must not reach another caller through the cache."""

    def __repr__(self) -> str:
        return f"<Endpoint {self.label}>"


CHAT = Endpoint(
    label="chat",
    path="/v1/chat/completions",
    summary="Create a chat completion",
    format=Format.CHAT,
    streams=True,
    writes=True,
    output_caps=("max_completion_tokens", "max_tokens"),
    deployment_in_path=True,
    defaults={
        "temperature": 1,
        "top_p": 1,
        "n": 1,
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "logprobs": False,
        "top_logprobs": 0,
        "logit_bias": {},
        "parallel_tool_calls": True,
        "response_format": {"type": "text"},
        "service_tier": "auto",
        "modalities": ["text"],
        "store": False,
    },
)
RESPONSES = Endpoint(
    label="responses",
    path="/v1/responses",
    summary="Create a response",
    format=Format.RESPONSES,
    streams=True,
    writes=True,
    output_caps=("max_output_tokens",),
    defaults={
        "temperature": 1,
        "top_p": 1,
        "top_logprobs": 0,
        "parallel_tool_calls": True,
        "truncation": "disabled",
        "text": {"format": {"type": "text"}},
        "tools": [],
        "tool_choice": "auto",
        "include": [],
        "service_tier": "auto",
        "background": False,
        "store": True,
    },
    echoes=("metadata", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"),
)
EMBEDDINGS = Endpoint(
    label="embeddings",
    path="/v1/embeddings",
    summary="Create embeddings",
    format=Format.PLAIN,
    deployment_in_path=True,
    defaults={"encoding_format": "float"},
)
MODERATIONS = Endpoint(
    label="moderations",
    path="/v1/moderations",
    summary="Classify a text or an image",
    format=Format.PLAIN,
    free=True,
    default_model="omni-moderation-latest",
    defaults={"model": "omni-moderation-latest"},
)

ALL = (CHAT, RESPONSES, EMBEDDINGS, MODERATIONS)
BY_PATH = {endpoint.path: endpoint for endpoint in ALL}
BY_LABEL = {endpoint.label: endpoint for endpoint in ALL}
