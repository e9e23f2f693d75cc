"""The rows of the inference endpoints, and of what the gateway stores of their answers itself."""

from typing import Any

from openai import AsyncOpenAI
from pydantic import BaseModel

from tests.clients.sdk.methods import Made, Row, check_strictly

_MESSAGES: Any = [{"role": "user", "content": "When is high tide?"}]
_MODEL = "gpt-4o-mini"


class HighTide(BaseModel):
    """What structured answers are parsed into."""

    place: str
    hour: int


async def _chat(client: AsyncOpenAI) -> str:
    made = await client.chat.completions.create(model=_MODEL, messages=_MESSAGES, store=True, metadata={"of": "row"})
    return made.id


async def _chat_create(client: AsyncOpenAI, _: Made) -> Any:
    whole = await client.chat.completions.create(model=_MODEL, messages=_MESSAGES)
    stream = await client.chat.completions.create(model=_MODEL, messages=_MESSAGES, stream=True)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
    assert text == whole.choices[0].message.content != ""
    return whole


async def _chat_parse(client: AsyncOpenAI, _: Made) -> Any:
    made = await client.chat.completions.parse(model=_MODEL, messages=_MESSAGES, response_format=HighTide)
    assert isinstance(made.choices[0].message.parsed, HighTide)


async def _chat_stream(client: AsyncOpenAI, _: Made) -> Any:
    async with client.chat.completions.stream(model=_MODEL, messages=_MESSAGES) as stream:
        types = [event.type async for event in stream]
        final = await stream.get_final_completion()
    assert "content.delta" in types
    assert final.choices[0].message.content


async def _chat_retrieve(client: AsyncOpenAI, _: Made) -> Any:
    chat_id = await _chat(client)
    found = await client.chat.completions.retrieve(chat_id)
    assert (found.id, found.object) == (chat_id, "chat.completion")
    return found


async def _chat_update(client: AsyncOpenAI, _: Made) -> Any:
    changed = await client.chat.completions.update(await _chat(client), metadata={"of": "another"})
    assert changed.metadata == {"of": "another"}
    return changed


async def _chat_list(client: AsyncOpenAI, _: Made) -> Any:
    chat_id = await _chat(client)
    page = await client.chat.completions.list(order="desc", limit=1)
    assert [chat.id for chat in page.data] == [chat_id]
    return page


async def _chat_messages(client: AsyncOpenAI, _: Made) -> Any:
    page = await client.chat.completions.messages.list(await _chat(client))
    # not checked strictly: the SDK's type knows only the role of an assistant, OpenAI's description all roles
    assert [message.content for message in page.data] == [_MESSAGES[0]["content"]]


async def _chat_delete(client: AsyncOpenAI, _: Made) -> Any:
    deleted = await client.chat.completions.delete(await _chat(client))
    assert deleted.deleted
    return deleted


async def _response(client: AsyncOpenAI, **more: Any) -> str:
    return str((await client.responses.create(model=_MODEL, input="When is high tide?", **more)).id)


async def _responses_create(client: AsyncOpenAI, _: Made) -> Any:
    whole = await client.responses.create(model=_MODEL, input="When is high tide?")
    stream = await client.responses.create(model=_MODEL, input="When is high tide?", stream=True)
    events = [event async for event in stream]
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == whole.output_text != ""
    return whole


async def _responses_parse(client: AsyncOpenAI, _: Made) -> Any:
    made = await client.responses.parse(model=_MODEL, input="When?", text_format=HighTide)
    assert isinstance(made.output_parsed, HighTide)


async def _responses_stream(client: AsyncOpenAI, _: Made) -> Any:
    async with client.responses.stream(model=_MODEL, input="When?") as stream:
        types = [event.type async for event in stream]
    assert types[-1] == "response.completed"


async def _responses_retrieve(client: AsyncOpenAI, _: Made) -> Any:
    response_id = await _response(client)
    found = await client.responses.retrieve(response_id)
    assert (found.id, found.status) == (response_id, "completed")
    return found


async def _responses_cancel(client: AsyncOpenAI, _: Made) -> Any:
    found = await client.responses.cancel(await _response(client, background=True))
    assert found.status in ("cancelled", "completed")
    return found


async def _responses_delete(client: AsyncOpenAI, _: Made) -> Any:
    assert await client.responses.delete(await _response(client)) is None  # type: ignore[func-returns-value]  # it has no answer


async def _responses_items(client: AsyncOpenAI, _: Made) -> Any:
    page = await client.responses.input_items.list(await _response(client))
    assert [item.type for item in page.data] == ["message"]
    return page


async def _responses_count(client: AsyncOpenAI, _: Made) -> Any:
    counted = await client.responses.input_tokens.count(model=_MODEL, input="When is high tide?")
    assert counted.input_tokens > 3
    return counted


async def _responses_compact(client: AsyncOpenAI, _: Made) -> Any:
    made = await client.responses.compact(model=_MODEL, input="When is high tide?")
    assert (made.object, bool(made.output)) == ("response.compaction", True)
    return made


async def _embeddings(client: AsyncOpenAI, _: Made) -> Any:
    made = await client.embeddings.create(model="text-embedding-3-small", input=["tide", "moon"])
    assert [len(one.embedding) for one in made.data] == [1536, 1536]
    return made


async def _moderations(client: AsyncOpenAI, _: Made) -> Any:
    made = await client.moderations.create(input=["the tide", "I hate it"])
    assert [one.flagged for one in made.results] == [False, True]
    return made


async def _models_list(client: AsyncOpenAI, _: Made) -> Any:
    page = await client.models.list()
    assert "gpt-4o-mini" in [model.id for model in page.data]
    return page


async def _models_retrieve(client: AsyncOpenAI, _: Made) -> Any:
    model = await client.models.retrieve("gpt-4o-mini")
    assert model.id == "gpt-4o-mini"
    return model


async def _conversation(client: AsyncOpenAI) -> str:
    items: Any = [{"type": "message", "role": "user", "content": "hi"}]
    return (await client.conversations.create(items=items, metadata={"of": "row"})).id


async def _conversations_create(client: AsyncOpenAI, _: Made) -> Any:
    made = await client.conversations.create(metadata={"of": "row"})
    assert made.metadata == {"of": "row"}
    return made


async def _conversations_retrieve(client: AsyncOpenAI, _: Made) -> Any:
    conversation_id = await _conversation(client)
    found = await client.conversations.retrieve(conversation_id)
    assert found.id == conversation_id
    return found


async def _conversations_update(client: AsyncOpenAI, _: Made) -> Any:
    changed = await client.conversations.update(await _conversation(client), metadata={"of": "another"})
    assert changed.metadata == {"of": "another"}
    return changed


async def _conversations_delete(client: AsyncOpenAI, _: Made) -> Any:
    deleted = await client.conversations.delete(await _conversation(client))
    assert deleted.deleted
    return deleted


async def _items_create(client: AsyncOpenAI, _: Made) -> Any:
    items: Any = [{"type": "message", "role": "user", "content": "more"}]
    page = await client.conversations.items.create(await _conversation(client), items=items)
    assert [item.type for item in page.data] == ["message"]
    check_strictly(list(page.data))


async def _item(client: AsyncOpenAI) -> tuple[str, str]:
    conversation_id = await _conversation(client)
    page = await client.conversations.items.list(conversation_id)
    return conversation_id, str(page.data[0].id)


async def _items_list(client: AsyncOpenAI, _: Made) -> Any:
    page = await client.conversations.items.list(await _conversation(client))
    assert [item.type for item in page.data] == ["message"]
    return page


async def _items_retrieve(client: AsyncOpenAI, _: Made) -> Any:
    conversation_id, item_id = await _item(client)
    item = await client.conversations.items.retrieve(item_id, conversation_id=conversation_id)
    assert item.id == item_id
    return item


async def _items_delete(client: AsyncOpenAI, _: Made) -> Any:
    conversation_id, item_id = await _item(client)
    conversation = await client.conversations.items.delete(item_id, conversation_id=conversation_id)
    assert conversation.id == conversation_id
    return conversation


ROWS: dict[str, Row] = {
    "chat.completions.create": _chat_create,
    "chat.completions.parse": _chat_parse,
    "chat.completions.stream": _chat_stream,
    "responses.create": _responses_create,
    "responses.parse": _responses_parse,
    "responses.stream": _responses_stream,
    "embeddings.create": _embeddings,
    "moderations.create": _moderations,
    "models.list": _models_list,
    "models.retrieve": _models_retrieve,
}
STORED_BY_THE_GATEWAY: dict[str, Row] = {
    "chat.completions.retrieve": _chat_retrieve,
    "chat.completions.update": _chat_update,
    "chat.completions.list": _chat_list,
    "chat.completions.messages.list": _chat_messages,
    "chat.completions.delete": _chat_delete,
    "responses.retrieve": _responses_retrieve,
    "responses.cancel": _responses_cancel,
    "responses.delete": _responses_delete,
    "responses.input_items.list": _responses_items,
    "responses.input_tokens.count": _responses_count,
    "responses.compact": _responses_compact,
    "conversations.create": _conversations_create,
    "conversations.retrieve": _conversations_retrieve,
    "conversations.update": _conversations_update,
    "conversations.delete": _conversations_delete,
    "conversations.items.create": _items_create,
    "conversations.items.list": _items_list,
    "conversations.items.retrieve": _items_retrieve,
    "conversations.items.delete": _items_delete,
}
"""Methods of what the gateway stores and answers itself: no upstream is asked."""
