"""Audit lines come in pages over HTTP; a page's `last` begins the next one."""

from tests.web.api_client import ApiClient


async def test_pages_join(api_client: ApiClient) -> None:
    names = [f"key{number}" for number in range(5)]
    for name in names:
        await api_client.create_key(name=name)
    read, after = [], ""
    while True:
        page = await api_client.get(f"/audit?limit=2{after}")
        read += [line["parameters"]["name"] for line in page["data"]]
        if not page["has_more"]:
            break
        after = f"&after={page['last']}"
    assert read == names[::-1]


async def test_a_filter_that_is_wrong_is_named(api_client: ApiClient) -> None:
    answer = await api_client.send("GET", "/audit?outcom=done")
    assert (answer.status, "did you mean outcome?" in answer.error["message"]) == (400, True)
