"""References to secrets: where the configuration says that a secret is, instead of the secret itself.

`env:NAME`, `file:PATH`, `aws-sm:NAME[#json-key]`, `gcp-sm:projects/P/secrets/S[/versions/V]`, `azure-kv:VAULT/NAME`.
"""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec
from pydantic import AfterValidator, SecretStr

from tidegate.core.config.secret_errors import SecretRefused, SecretUnusable

MAX_BYTES = 65_536
"""The most that a secret may have."""
SecretKind = Literal["env", "file", "aws-sm", "gcp-sm", "azure-kv"]
KINDS: tuple[SecretKind, ...] = get_args(SecretKind)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PLACES: Mapping[SecretKind, tuple[re.Pattern[str], str]] = {
    "env": (re.compile(r"[^=\0]+"), "env:NAME"),
    "file": (re.compile(r".+"), "file:PATH"),
    "aws-sm": (re.compile(r"[A-Za-z0-9/_+=.@:-]{1,2048}"), "aws-sm:NAME or aws-sm:NAME#json-key"),
    "gcp-sm": (
        re.compile(r"projects/[a-z0-9:.-]+/secrets/[A-Za-z0-9_-]+(/versions/[A-Za-z0-9_-]+)?"),
        "gcp-sm:projects/PROJECT/secrets/SECRET",
    ),
    "azure-kv": (re.compile(r"[A-Za-z0-9.-]+/[A-Za-z0-9-]+"), "azure-kv:VAULT/NAME"),
}
"""For each kind, what the place is, and how the reference is written."""


class SecretReference(msgspec.Struct, frozen=True):
    """The place of one secret."""

    kind: SecretKind
    place: str
    json_key: str = ""
    """The key within the JSON object that the place holds; empty where the whole text is the secret."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.place}{'#' + self.json_key if self.json_key else ''}"

    @property
    def is_remote(self) -> bool:
        """Whether a service is called to read it."""
        return self.kind not in {"env", "file"}


class ReferredSecret(SecretStr):
    """A secret with the place that it was read from: it may turn there."""

    def __init__(self, value: str, reference: SecretReference) -> None:
        super().__init__(value)
        self.reference = reference


def parse_reference(text: str) -> SecretReference | None:
    """Return the reference; None where the text is none, so it may be a secret itself.

    Raises ValueError, which says what to write instead, where the text begins as a reference does and is none.
    """
    kind, colon, place = text.partition(":")
    if not colon or not re.fullmatch(r"[a-z]+[-_]?[a-z]*", kind):
        return None
    known = next((each for each in KINDS if each == kind), None)
    if known is None:
        if near := difflib.get_close_matches(kind, KINDS, n=1, cutoff=0.8):
            raise ValueError(f"there is no kind of secret `{kind}:`; did you mean `{near[0]}:`?")
        return None
    json_key = ""
    if known == "aws-sm":
        place, _, json_key = place.partition("#")
    pattern, example = _PLACES[known]
    if not pattern.fullmatch(place):
        raise ValueError(f"it is no place of a secret; write {example}")
    return SecretReference(known, place, json_key)


def is_reference(text: str) -> bool:
    """Return whether the text names a place, not a secret."""
    try:
        return parse_reference(text) is not None
    except ValueError:
        return False


def check_reference(secret: SecretStr | None) -> SecretStr | None:
    """Return the secret. Raises ValueError where it begins as a reference does and is none."""
    if secret is not None:
        parse_reference(secret.get_secret_value())
    return secret


MaybeReference = Annotated[SecretStr, AfterValidator(check_reference)]
"""A secret, or the place of one."""


def read_local(reference: SecretReference, environ: Mapping[str, str]) -> str:
    """Return the secret of an environment variable or a file, without the white space around it.

    Raises SecretError.
    """
    content = (
        environ.get(reference.place, "").encode(errors="surrogateescape")
        if reference.kind == "env"
        else _file_content(reference)
    )
    return secret_text(reference, content)


def secret_text(reference: SecretReference, content: bytes) -> str:
    """Return the text of what a place holds, without a byte-order mark and the white space around it.

    Raises SecretError.
    """
    if len(content) > MAX_BYTES:
        raise SecretUnusable(f"The secret {reference} cannot be used: it is larger than {MAX_BYTES:,} bytes.")
    try:
        text = content.removeprefix(_BYTE_ORDER_MARK).decode().strip()
    except UnicodeDecodeError as error:
        raise SecretUnusable(f"The secret {reference} cannot be used: it is not text.") from error
    if reference.json_key:
        text = _json_member(reference, text)
    if not text:
        raise SecretUnusable(f"The secret {reference} is missing or empty.")
    if not text.isprintable():
        raise SecretUnusable(f"The secret {reference} cannot be used: it holds characters that cannot be printed.")
    return text


def _json_member(reference: SecretReference, text: str) -> str:
    try:
        members = msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.DecodeError, RecursionError) as error:
        raise SecretUnusable(
            f"The secret {reference} cannot be used: the place does not hold a JSON object."
        ) from error
    value = members.get(reference.json_key)
    if not isinstance(value, str):
        raise SecretUnusable(f"The secret {reference} cannot be used: the JSON object has no text under that key.")
    return value.strip()


def _file_content(reference: SecretReference) -> bytes:
    path = Path(reference.place)
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe would be waited for
            raise SecretRefused(f"The secret {reference} cannot be read: it is no regular file.")
        if path.resolve().parent.is_relative_to(path.parent.resolve()):
            with path.open("rb") as file:
                return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # a path with a zero byte is a ValueError
        reason = error.strerror if isinstance(error, OSError) else "it is no path"
        raise SecretRefused(f"The secret {reference} cannot be read: {reason}.") from error
    raise SecretUnusable(f"The secret {reference} cannot be used: it is a link to a place outside of its folder.")
