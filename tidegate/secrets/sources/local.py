"""Secrets on this machine: environment variables and files."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from tidegate.core.config.secret_reference import SecretReference, read_local
from tidegate.secrets.sources.reading import SecretReading


class LocalSource:
    """Environment variables and files."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def read(self, reference: SecretReference) -> SecretReading:
        """Return the secret. Raises SecretError."""
        text = read_local(reference, self._environ)
        return SecretReading(text, created_at=_written_at(reference.place) if reference.kind == "file" else None)


def _written_at(path: str) -> float | None:
    with contextlib.suppress(OSError):  # it was replaced in this moment
        return Path(path).stat().st_mtime
    return None
