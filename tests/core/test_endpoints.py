"""The table of endpoints has each of them once, with what the rest of the gateway needs."""

import pytest

from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint, Format


def test_no_two_endpoints_share_a_path_or_a_label() -> None:
    assert len(endpoints.BY_PATH) == len(endpoints.BY_LABEL) == len(endpoints.ALL)


@pytest.mark.parametrize(
    ("endpoint", "path", "label", "streams"),
    [
        (endpoints.CHAT, "/v1/chat/completions", "chat", True),
        (endpoints.RESPONSES, "/v1/responses", "responses", True),
        (endpoints.EMBEDDINGS, "/v1/embeddings", "embeddings", False),
        (endpoints.MODERATIONS, "/v1/moderations", "moderations", False),
    ],
)
def test_an_endpoint_is_found_by_its_path_and_its_label(
    endpoint: Endpoint, path: str, label: str, streams: bool
) -> None:
    assert endpoints.BY_PATH[path] is endpoints.BY_LABEL[label] is endpoint
    assert (endpoint.path, endpoint.label, endpoint.streams) == (path, label, streams)


def test_an_endpoint_is_shown_by_its_label() -> None:
    assert repr(endpoints.CHAT) == "<Endpoint chat>"


@pytest.mark.parametrize("endpoint", endpoints.ALL, ids=lambda endpoint: endpoint.label)
def test_an_entry_does_not_contradict_itself(endpoint: Endpoint) -> None:
    assert endpoint.path.startswith("/v1/")
    assert not (endpoint.streams and endpoint.format is Format.PLAIN), "only chat and Responses have a stream format"
    assert bool(endpoint.output_caps) == endpoint.writes, "who writes output can be told to write less"
    assert not (endpoint.free and endpoint.writes)


def test_an_endpoint_is_equal_to_itself_only() -> None:
    assert len({*endpoints.ALL, *endpoints.ALL}) == len(endpoints.ALL)
