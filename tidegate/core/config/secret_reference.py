"""Reads a secret that the configuration refers to: `env:NAME` or `file:PATH`."""

from collections.abc import Mapping
from pathlib import Path

from tidegate.core.config.section import ConfigError

MAX_BYTES = 65_536
"""The most that a secret may have."""
_ENV, _FILE = "env:", "file:"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def is_reference(text: str) -> bool:
    """Return whether the text names a place, not a secret."""
    return any(text.startswith(kind) and len(text) > len(kind) for kind in (_ENV, _FILE))


def read_secret(reference: str, environ: Mapping[str, str]) -> str:
    """Return the secret, without the white space around it and without a byte-order mark.

    Raises ConfigError, which names the reference and the reason, never the secret.
    """
    kind, _, place = reference.partition(":")
    text = _from_environment(place, environ) if kind == "env" else _from_file(place)
    if not text:
        raise ConfigError(f"The secret {reference} is missing or empty.")
    if not text.isprintable():
        raise ConfigError(f"The secret {reference} cannot be used: it holds characters that cannot be printed.")
    return text


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    return environ.get(name, "").strip()


def _from_file(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # a path with a zero byte is a ValueError
        reason = error.strerror if isinstance(error, OSError) else "it is no path"
        raise ConfigError(f"The secret file:{path} cannot be read: {reason}.") from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"The secret file:{path} cannot be used: it is larger than {MAX_BYTES:,} bytes.")
    try:
        return content.removeprefix(_BYTE_ORDER_MARK).decode().strip()
    except UnicodeDecodeError as error:
        raise ConfigError(f"The secret file:{path} cannot be used: it is not text.") from error
