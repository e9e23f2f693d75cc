"""Amazon Secrets Manager, with the role of this machine.

Source: docs.aws.amazon.com/secretsmanager/latest/apireference (`GetSecretValue`). Amazon's own client weighs 26 MB and
takes 0.6 s to import; one signed POST does not.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.config.secret_errors import SecretRefused, SecretSourceUnavailable
from tidegate.core.config.secret_reference import SecretReference, secret_text
from tidegate.core.process.outbound_http import ServiceAnswer
from tidegate.secrets.sources.aws_role import AwsRole
from tidegate.secrets.sources.aws_signature import signed_headers
from tidegate.secrets.sources.http import decode, fetch
from tidegate.secrets.sources.reading import SecretReading

CURRENT = "AWSCURRENT"
_SERVICE = "Secrets Manager"
_NOT_THE_CALLER_S = ("InternalServiceError", "ThrottlingException", "RequestLimitExceeded")
_EXPIRED = ("ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId")

_Document = TypeVar("_Document")


class _ErrorDocument(msgspec.Struct):
    type: str = msgspec.field(name="__type", default="")


class _ManagedSecret(msgspec.Struct, rename="pascal"):
    version_id: str
    secret_string: str | None = None
    secret_binary: str | None = None
    created_date: float | None = None


class StoredVersion(msgspec.Struct, frozen=True):
    """One version of a secret, with all that it holds."""

    content: bytes
    version: str
    created_at: float | None

    def __repr__(self) -> str:
        return f"StoredVersion({self.version})"


class AwsSource:
    """Reads secrets with the role of this machine."""

    def __init__(self, environ: Mapping[str, str], clock: Clock, *, url: str | None = None) -> None:
        """`url` is another address of the service, such as a private endpoint."""
        self._url = url or environ.get("AWS_ENDPOINT_URL_SECRETS_MANAGER") or environ.get("AWS_ENDPOINT_URL")
        self._clock = clock
        self._role = AwsRole(environ, clock)

    def read(self, reference: SecretReference) -> SecretReading:
        """Return the secret's current version. Raises SecretError."""
        return self.read_stage(reference, CURRENT)

    def read_stage(self, reference: SecretReference, stage: str) -> SecretReading:
        """Return the version of the secret that has this stage. Raises SecretError."""
        stored = self.read_version(reference.place, stage)
        return SecretReading(secret_text(reference, stored.content), stored.version, stored.created_at)

    def read_version(self, name: str, stage: str) -> StoredVersion:
        """Return the version of the secret `name` that has this stage. Raises SecretError."""
        document = self.call("GetSecretValue", name, {"SecretId": name, "VersionStage": stage}, _ManagedSecret)
        return StoredVersion(_content(document), document.version_id, document.created_date)

    def call(self, action: str, secret_name: str, fields: Mapping[str, Any], kind: type[_Document]) -> _Document:
        """Call one action of the service; return its answer. Raises SecretError."""
        region = self._role.region(secret_name)
        url = (self._url or f"https://secretsmanager.{region}.amazonaws.com").rstrip("/")
        body = msgspec.json.encode(fields)
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": f"secretsmanager.{action}"}
        signed = signed_headers(url, headers, body, self._role.credentials(), region=region, now=self._clock.now())
        answer = fetch("POST", url + "/", signed, body)
        if not answer.is_success:
            raise self._error(answer)
        return decode(answer, kind, _SERVICE)

    def _error(self, answer: ServiceAnswer) -> SecretRefused | SecretSourceUnavailable:
        try:
            name = msgspec.json.decode(answer.body, type=_ErrorDocument).type.rpartition("#")[2]
        except (msgspec.DecodeError, RecursionError):
            name = ""
        if name in _EXPIRED:
            self._role.forget()
        if 400 <= answer.status < 500 and answer.status != 429 and name not in _NOT_THE_CALLER_S:
            return SecretRefused(f"{_SERVICE} refused with {answer.status} {name}.".replace(" .", "."))
        return SecretSourceUnavailable(f"{_SERVICE} answered {answer.status} {name}.".replace(" .", "."))


def _content(document: _ManagedSecret) -> bytes:
    if document.secret_string is not None:
        return document.secret_string.encode()
    try:
        return base64.b64decode(document.secret_binary or "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise SecretSourceUnavailable(f"{_SERVICE} sent a body that is not what it documents.") from error
