"""Calls that are charged for more than plain text: cache writes, sound, images, tools, service tiers, long prompts.

The simulator states what it is told to by the headers, and bills it by prices that were read apart from the gateway's.
"""

from random import Random
from typing import Any

import msgspec

CHAT, RESPONSES = "/chat/completions", "/responses"
_MOST_TOKENS = 60
_LONG_PROMPT = 272_000
_MOST_USES = 3
_TOOL_MODELS = ("gpt-4o-mini", "gpt-4o")
_TIERS = (("gpt-5-mini", "flex"), ("gpt-5-mini", "priority"), ("gpt-5.6-sol", "flex"), ("gpt-4o-mini", "priority"))


class ChargedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call without its words and its name."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]


def charged_call(dice: Random) -> ChargedCall:
    """Draw a call of one kind."""
    drawn = dice.choice(
        (_cache_write, _tier, _long_prompt, _sound, _image, _search, _search_model, _other_tools, _images)
    )
    return drawn(dice)


def _stating(dice: Random, model: str, **tokens: int) -> ChargedCall:
    """Return a call, chat or Responses, whose answer states these tokens."""
    path = dice.choice((CHAT, RESPONSES))
    usage = ", ".join(f"{kind}={count}" for kind, count in tokens.items())
    return ChargedCall(path=path, body=_limited(path, model), headers={"x-simulate-usage": usage} if usage else {})


def _limited(path: str, model: str) -> dict[str, Any]:
    return {"model": model, "max_completion_tokens" if path == CHAT else "max_output_tokens": _MOST_TOKENS}


def _cache_write(dice: Random) -> ChargedCall:
    cached, written = dice.randrange(1, 1000), dice.randrange(1, 1000)
    size = cached + written + dice.randrange(1000)
    return _stating(dice, "gpt-5.6-sol", input=size, cached=cached, cache_write=written)


def _tier(dice: Random) -> ChargedCall:
    model, tier = dice.choice(_TIERS)
    call = _stating(dice, model, input=dice.randrange(500, 1000), cached=dice.randrange(500))
    return msgspec.structs.replace(call, body={**call.body, "service_tier": tier})


def _long_prompt(dice: Random) -> ChargedCall:
    """At the limit a prompt has the usual price, and with one token more the higher one."""
    size = _LONG_PROMPT + dice.choice((0, 1, dice.randrange(10_000)))
    return _stating(dice, "gpt-6-luna", input=size, cached=dice.randrange(100_000), cache_write=dice.randrange(100_000))


def _sound(dice: Random) -> ChargedCall:
    """Models that take sound, with and without a price for it when it is cached."""
    sound = dice.randrange(1, 500)
    if dice.random() < 0.5:  # a coin
        return _stating(dice, "gpt-audio", input=sound + dice.randrange(500), input_audio=sound, output_audio=5)
    cached_sound = dice.randrange(sound + 1)
    text = dice.randrange(1, 500)
    cached = cached_sound + dice.randrange(text + 1)
    return _stating(
        dice, "gpt-realtime", input=sound + text, cached=cached, input_audio=sound, cached_audio=cached_sound
    )


def _image(dice: Random) -> ChargedCall:
    image, text = dice.randrange(1, 1500), dice.randrange(1, 500)
    cached_image = dice.randrange(image + 1)
    model = dice.choice(("gpt-realtime", "gpt-4o-mini"))
    return _stating(dice, model, input=image + text, cached=cached_image, input_image=image, cached_image=cached_image)


def _search(dice: Random) -> ChargedCall:
    kind = dice.choice(("web_search", "web_search_preview"))
    return _tools(dice, [{"type": kind}], web_search=dice.randrange(_MOST_USES + 1))


def _search_model(dice: Random) -> ChargedCall:  # noqa: ARG001  # the signature of all kinds
    return ChargedCall(path=CHAT, body={"model": "gpt-4o-search-preview"}, headers={"x-simulate-tokens": "20"})


def _other_tools(dice: Random) -> ChargedCall:
    container = {"type": "auto", "memory_limit": dice.choice(("1g", "4g"))}
    tools: list[dict[str, Any]] = [
        {"type": "file_search", "vector_store_ids": ["vs_1"]},
        {"type": "code_interpreter", "container": container},
    ]
    return _tools(dice, tools, file_search=dice.randrange(_MOST_USES), code_interpreter=dice.randrange(_MOST_USES))


def _images(dice: Random) -> ChargedCall:
    """Images whose tokens are stated: without a statement nobody knows them."""
    model = dice.choice(("gpt-image-1.5", "gpt-image-2.5-sunburst"))
    size, quality = dice.choice(("auto", "1024x1024", "1024x1536")), dice.choice(("low", "medium", "high"))
    tool = {"type": "image_generation", "model": model, "size": size, "quality": quality}
    call = _tools(dice, [tool], image_generation=1)
    return msgspec.structs.replace(call, headers={**call.headers, "x-simulate-tool-usage": "true"})


def _tools(dice: Random, tools: list[dict[str, Any]], **uses: int) -> ChargedCall:
    """Return a Response that uses these tools, whether or not it states so; a limit of calls cuts some off."""
    used = ", ".join(f"{tool}={count}" for tool, count in uses.items())
    body = {**_limited(RESPONSES, dice.choice(_TOOL_MODELS)), "tools": tools, "max_tool_calls": _MOST_USES}
    if dice.random() < 0.5:  # a coin
        body["max_tool_calls"] = dice.randrange(1, _MOST_USES)
    stated = dice.choice(("true", "false"))
    return ChargedCall(path=RESPONSES, body=body, headers={"x-simulate-tools": used, "x-simulate-tool-usage": stated})


_KINDS = (_cache_write, _tier, _long_prompt, _sound, _image, _search, _search_model, _other_tools, _images)
