"""Read answers with the official SDK's own code: streamed or whole, as a chat completion or as a Response."""

from typing import Any

import msgspec
import openai
from openai import AsyncOpenAI

TOOLS: Any = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("weather", "tide")]
RESPONSES_TOOLS: Any = [{"type": "function", "name": name, "parameters": {}} for name in ("weather", "tide")]


class Read(msgspec.Struct, frozen=True):
    """What the official SDK reads in an answer."""

    text: str = ""
    calls: tuple[tuple[str, str, str], ...] = ()
    end: str | None = None
    """The finish reason, or the status of the Response."""
    error: str | None = None


async def read_chat(client: AsyncOpenAI, model: str, *, stream: bool) -> Read:
    """Ask for a chat completion, and read it with the SDK's own code."""
    asked: Any = {
        "model": model,
        "messages": [{"role": "user", "content": "Hello"}],
        "tools": TOOLS,
        "max_completion_tokens": 50,
    }
    text: list[str] = []
    try:
        if stream:
            async with client.chat.completions.stream(**asked) as events:
                async for event in events:
                    text += [event.delta] if event.type == "content.delta" else []
                completion: Any = await events.get_final_completion()
        else:
            completion = await client.chat.completions.create(**asked)
    except openai.LengthFinishReasonError as cut:  # so the SDK says that it read a reason of `length`
        completion = cut.completion
    except openai.ContentFilterFinishReasonError:
        return Read("".join(text), end="content_filter")
    except openai.APIError as error:
        return Read("".join(text), error=error.code)
    (choice,) = completion.choices
    calls = [(call.id, call.function.name or "", call.function.arguments) for call in choice.message.tool_calls or ()]
    return Read(choice.message.content or "", tuple(calls), choice.finish_reason)


async def read_response(client: AsyncOpenAI, model: str, *, stream: bool) -> Read:
    """Ask for a Response, and read it with the SDK's own code."""
    asked: Any = {"model": model, "input": "Hello", "tools": RESPONSES_TOOLS, "store": False, "max_output_tokens": 50}
    text: list[str] = []
    try:
        if stream:
            async with client.responses.stream(**asked) as events:
                async for event in events:
                    text += [event.delta] if event.type == "response.output_text.delta" else []
                    response: Any = getattr(event, "response", None)  # that of the last event, incomplete ones too
        else:
            response = await client.responses.create(**asked)
    except openai.APIError as error:
        return Read(text="".join(text), error=error.code)
    return Read(response.output_text, calls_in(response), response.status)


def calls_in(response: Any) -> tuple[tuple[str, str, str], ...]:
    """Return id, name and arguments of each function call in a Response."""
    calls = [item for item in response.output if item.type == "function_call"]
    return tuple((call.call_id, call.name, call.arguments) for call in calls)
