"""Google Secret Manager, with the token of this machine's service account.

Sources: cloud.google.com/secret-manager/docs/reference/rest (`versions.access`), and
cloud.google.com/compute/docs/metadata (tokens of the metadata server).
"""

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.config.secret_errors import SecretSourceUnavailable
from tidegate.core.config.secret_reference import SecretReference, secret_text
from tidegate.secrets.sources.http import decode, fetch
from tidegate.secrets.sources.reading import SecretReading
from tidegate.secrets.sources.tokens import Token, TokenCache

_ADDRESS = "https://secretmanager.googleapis.com"
_METADATA = "metadata.google.internal"
_ROLE_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"
_SERVICE = "Google Secret Manager"


class _AccountToken(msgspec.Struct):
    access_token: str
    expires_in: float


class _Payload(msgspec.Struct):
    data: str


class _AccessDocument(msgspec.Struct):
    name: str
    payload: _Payload


class GoogleSource:
    """Reads secrets with the role of this machine."""

    def __init__(self, environ: Mapping[str, str], clock: Clock, *, url: str | None = None) -> None:
        """`url` is another address of the service, such as a private endpoint."""
        self._url = (url or _ADDRESS).rstrip("/")
        self._metadata = environ.get("GCE_METADATA_HOST", _METADATA)
        self._tokens = TokenCache("Google", self._read_token, clock)

    def read(self, reference: SecretReference) -> SecretReading:
        """Return the secret. Raises SecretError."""
        place = reference.place if "/versions/" in reference.place else f"{reference.place}/versions/latest"
        headers = {"authorization": f"Bearer {self._tokens.token()}"}
        answer = fetch("GET", f"{self._url}/v1/{quote(place)}:access", headers)
        if answer.status == 401:
            self._tokens.forget()
        document = decode(answer, _AccessDocument, _SERVICE)
        try:
            content = base64.b64decode(document.payload.data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise SecretSourceUnavailable(f"{_SERVICE} sent a body that is not what it documents.") from error
        return SecretReading(secret_text(reference, content), document.name.rpartition("/")[2])

    def _read_token(self) -> Token:
        answer = fetch("GET", f"http://{self._metadata}{_ROLE_PATH}", {"metadata-flavor": "Google"})
        document = decode(answer, _AccountToken, "Google's metadata server")
        return Token(document.access_token, document.expires_in)
