"""Malformed stored data causes no internal error, and whatever was accepted can be read again."""

import pytest

from tests.harness import Gateway

MODEL = "gpt-4o-mini"
DEEP = "[" * 900 + "]" * 900


def responses_body(*fields: str) -> str:
    return "{" + ",".join(['"model":"gpt-4o-mini"', *fields]) + "}"


def responses_body_with(item: str) -> str:
    return responses_body(f'"input":[{item}]')


ACCEPTED = [
    responses_body_with('{"role":"user","content":{"a":1}}'),
    responses_body_with('{"role":"user","content":"x","n":123456789012345678901234567890}'),
    responses_body_with('{"role":"user","content":"nul \\u0000 half \\ud800 end","id":"\\u0000"}'),
    responses_body_with('{"type":"message"}'),
    responses_body_with('{"type":"compaction","encrypted_content":"theirs"}'),
    responses_body_with('{"type":"nobody_knows","content":[]}'),
    responses_body(
        '"input":"nul \\u0000 half \\ud800"', '"metadata":{"\\u0000":"\\u0000"}', '"instructions":"\\u0000"'
    ),
    '{"model":"gpt-4o-mini","input":"x","user":"\\u0000","safety_identifier":"\\ud800"}',
]
REFUSED = [
    responses_body_with('{"role":["user"],"content":"x"}'),
    responses_body_with('{"type":5}'),
    responses_body_with("{}"),
    responses_body_with("5"),
    responses_body_with('{"type":"item_reference","id":5}'),
    responses_body_with('{"type":"compaction","encrypted_content":"tg1.xx"}'),
    responses_body_with('{"role":"user","content":"x","n":1e400}'),
    '{"model":"gpt-4o-mini","input":{"a":1}}',
    responses_body(f'"input":{DEEP}'),
    '{"model":"gpt-4o-mini","input":"x","include":[1]}',
    '{"model":"gpt-4o-mini","input":"x","conversation":5}',
    '{"model":"gpt-4o-mini","input":"x","previous_response_id":""}',
]
COMPLETIONS = [
    '[{"role":"user","content":"nul \\u0000 half \\ud800"}]',
    '[{"role":"user","content":"x","n":123456789012345678901234567890}]',
    '[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:,"}}]}]',
]


@pytest.mark.parametrize("body", ACCEPTED)
async def test_what_is_taken_can_be_read_and_gone_on_from(gateway: Gateway, body: str) -> None:
    answer = await gateway.call("/responses", body.encode(), x_simulate_strict="false")
    assert answer.status == 200, answer.text
    name = answer.json["id"]
    for path in (f"/responses/{name}", f"/responses/{name}/input_items"):
        assert (await gateway.call(path)).status == 200
    chained = await gateway.call(
        "/responses", {"model": MODEL, "input": "next", "previous_response_id": name}, x_simulate_strict="false"
    )
    assert chained.status == 200, chained.text


@pytest.mark.parametrize("body", REFUSED)
@pytest.mark.parametrize("path", ["/responses", "/responses/compact"])
async def test_what_cannot_be_is_refused(gateway: Gateway, path: str, body: str) -> None:
    answer = await gateway.call(path, body.encode())
    assert answer.status == 400, answer.text
    assert answer.error["type"] == "invalid_request_error"


@pytest.mark.parametrize("body", [*ACCEPTED, *REFUSED])
async def test_a_conversation_takes_or_refuses_them_too(gateway: Gateway, body: str) -> None:
    items = body.replace('"model":"gpt-4o-mini","input"', '"items"').encode()
    answer = await gateway.call("/conversations", items)
    assert answer.status in (200, 400), answer.text
    if answer.status == 200:
        assert (await gateway.call(f"/conversations/{answer.json['id']}/items")).status == 200


@pytest.mark.parametrize("messages", COMPLETIONS)
@pytest.mark.parametrize("stream", ["true", "false"])
async def test_completions_are_kept_whatever_was_asked(gateway: Gateway, messages: str, stream: str) -> None:
    body = responses_body(
        '"store":true', f'"stream":{stream}', '"metadata":{"\\u0000":"\\u0000"}', f'"messages":{messages}'
    )
    answer = await gateway.chat(body.encode(), x_simulate_strict="false")
    assert answer.status == 200, answer.text
    name = (answer.events[0] if stream == "true" else answer.json)["id"]
    for path in (f"/chat/completions/{name}", f"/chat/completions/{name}/messages", "/chat/completions"):
        assert (await gateway.call(path)).status == 200
