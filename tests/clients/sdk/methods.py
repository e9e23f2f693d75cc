"""The public methods of the official SDK, found by reflection, and what a row says of one."""

import inspect
import io
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import openai
from openai import AsyncOpenAI
from openai._resource import AsyncAPIResource
from openai.pagination import BasePage  # type: ignore[attr-defined]  # the SDK's own, public by its pages
from pydantic import BaseModel

Json = dict[str, Any]


def every_method() -> list[str]:
    """Return the names of all methods of all resources, such as `files.create`."""
    return sorted(_methods(openai.AsyncOpenAI(api_key="sk-none"), ()))


def _methods(owner: object, path: tuple[str, ...]) -> Iterator[str]:
    for name in dir(type(owner)):
        if name.startswith(("_", "with_")):
            continue
        if inspect.isfunction(inspect.getattr_static(type(owner), name)):
            if path:
                yield ".".join((*path, name))
        elif isinstance(resource := getattr(owner, name), AsyncAPIResource):
            yield from _methods(resource, (*path, name))


def check_strictly(value: Any) -> None:
    """Raise ValidationError unless an answer has all that the SDK's own type for it requires.

    The SDK itself reads answers without checking them.
    """
    if isinstance(value, BasePage):
        for item in value._get_page_items():  # noqa: SLF001  # its public form asks for further pages, too
            check_strictly(item)
    elif isinstance(value, BaseModel):
        type(value).model_validate(value.model_dump(mode="json", by_alias=True, exclude_unset=True))
    elif isinstance(value, list):
        for item in value:
            check_strictly(item)


class Made:
    """Makes what a method needs before it can be called."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self.client = client

    async def file(self, purpose: Any = "user_data", name: str = "tides.txt", text: str = "The tide is high.") -> str:
        """Return the id of a new file."""
        return (await self.client.files.create(file=named(name, text), purpose=purpose)).id

    async def batch(self) -> str:
        """Return the id of a new batch with one chat."""
        line = (
            '{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", '
            '"body": {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}}\n'
        )
        file_id = await self.file("batch", "lines.jsonl", line)
        made = await self.client.batches.create(
            input_file_id=file_id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        return made.id

    async def upload(self, content: bytes = b"tides") -> str:
        """Return the id of a new upload."""
        made = await self.client.uploads.create(
            bytes=len(content), filename="t.txt", mime_type="text/plain", purpose="user_data"
        )
        return made.id


Row = Callable[[AsyncOpenAI, Made], Awaitable[Any]]
"""Calls one method, asserts on its answer's body, and returns the answer."""


def named(name: str, content: str | bytes) -> tuple[str, bytes]:
    """Return a file as the SDK takes it."""
    return name, content.encode() if isinstance(content, str) else content


def in_memory(content: bytes, name: str = "t.txt") -> io.BytesIO:
    """Return an open file."""
    file = io.BytesIO(content)
    file.name = name
    return file
