"""Environment, labels, history and commands of an image are read; broken documents are none."""

import json

import pytest

from tests.leaks.planted import provider_key, random_text
from tidegate.leaks.image_config import ImageIndex, config_sightings, is_config, parsed

KEY = provider_key()


@pytest.mark.parametrize(
    ("part", "place"),
    [
        ({"config": {"Env": ["PATH=/bin", f"OPENAI_API_KEY={KEY}"]}}, "environment OPENAI_API_KEY"),
        ({"config": {"Env": ["DB_PASSWORD=correcthorse"]}}, "environment DB_PASSWORD"),
        ({"config": {"Labels": {"build": f"with {KEY}"}}}, "label build"),
        ({"config": {"Cmd": ["serve", "--key", KEY]}}, "configuration Cmd"),
        (
            {"config": {"Healthcheck": {"Test": ["CMD", "curl", f"-HAuthorization: Bearer {KEY}"]}}},
            "configuration Healthcheck",
        ),
        ({"history": [{}, {"created_by": f"RUN |1 API_KEY={random_text(30)} /bin/sh -c make"}]}, "history step 2"),
        ({"history": [{"comment": KEY}]}, "history step 1"),
    ],
)
def test_a_secret_in_the_configuration_is_named_by_its_place(part: dict[str, object], place: str) -> None:
    document = json.dumps({"rootfs": {}, **part}).encode()
    assert is_config(document)
    assert [found.path for found, _ in config_sightings(document)] == [place]
    assert KEY not in repr(list(config_sightings(document)))


def test_an_ordinary_configuration_says_nothing() -> None:
    config = {"Env": ["PATH=/bin", "GPG_KEY=7169605F62C751356D054A26A821E680E5FA6305"], "Labels": None, "Cmd": ["sh"]}
    document = json.dumps({"rootfs": {}, "config": config, "history": [{"created_by": "COPY . /app"}]}).encode()
    assert list(config_sightings(document)) == []


def test_layers_are_numbered_in_both_formats() -> None:
    docker = [{"Config": "c.json", "Layers": ["a/layer.tar", "b/layer.tar"]}]
    oci = {"config": {}, "layers": [{"digest": "sha256:aa"}, {"digest": "sha256:bb"}]}
    index = ImageIndex({"manifest.json": json.dumps(docker).encode(), "x": json.dumps(oci).encode()})
    names = ("a/layer.tar", "b/layer.tar", "blobs/sha256/bb", "c.json")
    assert [index.number_of(name) for name in names] == [1, 2, 2, None]
    assert index.layers == 2


@pytest.mark.parametrize("document", [b"", b"{", b"[" * 100_000, b'{"layers": 5, "rootfs": []}', b"[null, 1]", b"\xff"])
def test_a_broken_document_is_none(document: bytes) -> None:
    parsed(document)
    assert not is_config(document)
    assert ImageIndex({"x": document}).layers == 0
    assert list(config_sightings(document)) == []
