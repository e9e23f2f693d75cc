"""Stored completions are listed by model and metadata, and their messages come back as they were sent."""

import pytest

from tests.conversations.records import AT, completion, decoded
from tidegate.conversations.documents.records import PageRequest
from tidegate.conversations.storage.completions import CompletionStore
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core.errors import CompletionNotFound

WHEN = {"role": "user", "content": "When is high tide?"}
IMAGE = {
    "role": "user",
    "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}],
}


async def test_a_completion_comes_back_with_its_messages(completions: CompletionStore) -> None:
    saved = completion("chatcmpl-1", WHEN, IMAGE, end_user="ada", request_id="req_1", metadata={"a": "b"})
    await completions.save("shop", saved)
    result = await completions.get("shop", "chatcmpl-1")
    assert decoded(result.document) == decoded(saved.document)
    assert (result.model, result.end_user, result.request_id) == ("gpt-4o-mini", "ada", "req_1")
    assert (result.metadata, result.created_at) == ({"a": "b"}, AT)
    assert [decoded(one) for one in await completions.messages("shop", "chatcmpl-1")] == [WHEN, IMAGE]


async def test_lists_are_filtered_and_in_pages(completions: CompletionStore) -> None:
    for n in range(6):
        model, metadata = ("gpt-4o", {"even": "yes"}) if n % 2 == 0 else ("gpt-4o-mini", {"n": str(n)})
        await completions.save("shop", completion(f"c{n}", created_at=AT + n, model=model, metadata=metadata))
    up = PageRequest(descending=False)
    cases = [
        (up, None, {}, ["c0", "c1", "c2", "c3", "c4", "c5"], False),
        (PageRequest(limit=2), None, {}, ["c5", "c4"], True),
        (PageRequest(limit=2, after="c2"), None, {}, ["c1", "c0"], False),
        (PageRequest(limit=2, after="c2", descending=False), None, {}, ["c3", "c4"], True),
        (up, "gpt-4o", {}, ["c0", "c2", "c4"], False),
        (up, None, {"even": "yes"}, ["c0", "c2", "c4"], False),
        (up, "gpt-4o-mini", {"even": "yes"}, [], False),
        (up, None, {"n": "3"}, ["c3"], False),
    ]
    for ask, of, having, expected, more in cases:
        page = await completions.list("shop", ask, model=of, metadata=having)
        assert ([one.id for one in page.items], page.has_more) == (expected, more)


async def test_however_many_have_the_metadata_the_page_is_the_same(
    completions: CompletionStore, store_base: StoreBase
) -> None:
    for n in range(4):
        await completions.save("shop", completion(f"c{n}", created_at=AT + n, metadata={"a": "b", "n": str(n)}))
    await completions.save("bank", completion("c9", metadata={"a": "b"}))
    for most in (1000, 3, 1):
        store = CompletionStore(store_base, max_metadata_matches=most)
        page = await store.list("shop", PageRequest(limit=2, after="c3"), metadata={"a": "b"})
        assert ([one.id for one in page.items], page.has_more) == (["c2", "c1"], True)
        page = await store.list("shop", PageRequest(), metadata={"a": "b", "n": "2"})
        assert [one.id for one in page.items] == ["c2"]


async def test_metadata_is_changed_and_found_by(completions: CompletionStore) -> None:
    await completions.save("shop", completion("c1", metadata={"a": "b"}))
    assert (await completions.update_metadata("shop", "c1", {"c": "d"})).metadata == {"c": "d"}
    page = await completions.list("shop", PageRequest(), metadata={"c": "d"})
    assert [one.id for one in page.items] == ["c1"]


async def test_what_was_deleted_or_belongs_to_others_is_missing(completions: CompletionStore) -> None:
    for id_ in ("c1", "c2"):
        await completions.save("shop", completion(id_, IMAGE))
    await completions.delete("shop", "c1")
    assert [decoded(one) for one in await completions.messages("shop", "c2")] == [IMAGE]
    for project, id_ in (("shop", "c1"), ("bank", "c2")):
        for act in (
            completions.get(project, id_),
            completions.messages(project, id_),
            completions.update_metadata(project, id_, {}),
            completions.delete(project, id_),
            completions.list(project, PageRequest(after=id_, descending=False)),
        ):
            with pytest.raises(CompletionNotFound):
                await act
    assert (await completions.list("bank", PageRequest())).items == ()
