"""Secrets and images that are made while the tests run, so that none is in a committed file."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from typing import Any

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"


def random_text(length: int, seed: str = "a", alphabet: str = ALPHABET) -> str:
    """Return letters and digits that look random, always the same ones for a seed."""
    digits = hashlib.shake_256(seed.encode()).digest(length)
    return "".join(alphabet[digit % len(alphabet)] for digit in digits)


def provider_key(seed: str = "a") -> str:
    """Return what looks like a key of OpenAI."""
    return "sk-" + "proj-" + random_text(20, seed) + "T3Blbk" + "FJ" + random_text(20, seed + "2")


def tar(files: Mapping[str, bytes], *, style: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=style) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def saved_image(layers: Iterable[bytes], **config: Any) -> dict[str, bytes]:
    """Return the files of an image as `docker save` writes it, with `history` apart from its other configuration."""
    history = config.pop("history", [])
    parts = {f"blobs/sha256/{hashlib.sha256(layer).hexdigest()}": layer for layer in layers}
    document = json.dumps({"rootfs": {"type": "layers"}, "config": config, "history": history}).encode()
    name = f"blobs/sha256/{hashlib.sha256(document).hexdigest()}"
    manifest = json.dumps([{"Config": name, "RepoTags": ["shop:1"], "Layers": list(parts)}]).encode()
    return {**parts, name: document, "manifest.json": manifest}


def oci_image(layers: Iterable[bytes], **config: Any) -> dict[str, bytes]:
    """Return the files of an image in the OCI layout."""
    files = saved_image(layers, **config)
    *parts, document = (name for name in files if name != "manifest.json")
    described = [{"digest": name.removeprefix("blobs/").replace("/", ":")} for name in (*parts, document)]
    manifest = json.dumps({"config": described[-1], "layers": described[:-1]}).encode()
    digest = hashlib.sha256(manifest).hexdigest()
    del files["manifest.json"]
    index = json.dumps({"manifests": [{"digest": f"sha256:{digest}"}]}).encode()
    return {**files, f"blobs/sha256/{digest}": manifest, "index.json": index, "oci-layout": b"{}"}
