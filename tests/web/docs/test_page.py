"""The page at `/docs` and its files are served from the package, and refer to nothing outside the gateway."""

import re

import aiohttp
import pytest

from tests.web.api_client import ApiClient


@pytest.mark.parametrize(
    ("path", "media_type"),
    [("/docs", "text/html"), ("/docs/docs.css", "text/css"), ("/docs/docs.js", "text/javascript")],
)
async def test_each_file_is_served_with_its_type_and_without_a_key(
    api_client: ApiClient, path: str, media_type: str
) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{api_client.root}{path}") as response:
        text = await response.text()
    assert (response.status, response.content_type) == (200, media_type)
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert re.findall(r"(?:https?:)?//[\w.-]+\.\w+|@import|\burl\(", text) == [], "nothing is loaded from elsewhere"


async def test_the_page_refers_to_files_that_are_served(api_client: ApiClient) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{api_client.root}/docs") as response:
            page = await response.text()
        links = [link for link in re.findall(r'(?:href|src)="([^"]+)"', page) if not link.startswith("data:")]
        assert sorted(set(links)) == ["docs/docs.css", "docs/docs.js", "openapi.json"]
        for link in links:
            async with http.get(f"{api_client.root}/{link}") as response:
                assert response.status == 200


async def test_the_description_contains_the_inference_endpoints(api_client: ApiClient) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{api_client.root}/openapi.json") as response:
        description = await response.json()
    for path in ("/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/moderations"):
        assert description["paths"][path]["post"]["tags"] == ["inference"]
    assert {tag["name"] for tag in description["tags"]} >= {"inference", "admin", "stored data"}
