"""Azure Key Vault, with the managed identity of this machine.

Sources: learn.microsoft.com/rest/api/keyvault/secrets/get-secret, and learn.microsoft.com/azure/container-apps/
managed-identity and /entra/identity/managed-identities-azure-resources/how-to-use-vm-token (the two ways to a token).
"""

from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.config.secret_reference import SecretReference, secret_text
from tidegate.secrets.sources.http import decode, fetch
from tidegate.secrets.sources.reading import SecretReading
from tidegate.secrets.sources.tokens import Token, TokenCache

_AUDIENCE = "https://vault.azure.net"
_VAULT_VERSION = "7.4"
_MACHINE = "http://169.254.169.254/metadata/identity/oauth2/token"
_MACHINE_VERSION, _CONTAINER_VERSION = "2018-02-01", "2019-08-01"


class _IdentityToken(msgspec.Struct):
    access_token: str
    expires_in: float | None = None
    expires_on: float | None = None


class _Attributes(msgspec.Struct, frozen=True):
    created: float | None = None


class _VaultSecret(msgspec.Struct):
    value: str
    id: str = ""
    attributes: _Attributes = _Attributes()


class AzureSource:
    """Reads secrets with the identity of this machine."""

    def __init__(self, environ: Mapping[str, str], clock: Clock, *, url: str | None = None) -> None:
        """`url` is another address of the vaults, such as a private endpoint."""
        self._environ = environ
        self._clock = clock
        self._url = url
        self._tokens = TokenCache("Azure", self._read_token, clock)

    def read(self, reference: SecretReference) -> SecretReading:
        """Return the secret. Raises SecretError."""
        vault, _, name = reference.place.partition("/")
        host = vault if "." in vault else f"{vault}.vault.azure.net"
        base = self._url.rstrip("/") if self._url else f"https://{host}"
        headers = {"authorization": f"Bearer {self._tokens.token()}"}
        answer = fetch("GET", f"{base}/secrets/{name}?api-version={_VAULT_VERSION}", headers)
        if answer.status == 401:
            self._tokens.forget()
        document = decode(answer, _VaultSecret, f"Key Vault {vault}")
        version, created_at = document.id.rpartition("/")[2], document.attributes.created
        return SecretReading(secret_text(reference, document.value.encode()), version, created_at)

    def _read_token(self) -> Token:
        query = {"resource": _AUDIENCE}
        if client_id := self._environ.get("AZURE_CLIENT_ID"):
            query["client_id"] = client_id
        endpoint, header = self._environ.get("IDENTITY_ENDPOINT"), self._environ.get("IDENTITY_HEADER")
        if endpoint and header:
            url, headers, version = endpoint, {"x-identity-header": header}, _CONTAINER_VERSION
        else:
            url, headers, version = _MACHINE, {"metadata": "true"}, _MACHINE_VERSION
        answer = fetch("GET", f"{url}?{urlencode({**query, 'api-version': version})}", headers)
        document = decode(answer, _IdentityToken, "Azure's managed identity")
        return Token(document.access_token, self._seconds(document))

    def _seconds(self, document: _IdentityToken) -> float:
        if document.expires_in is not None:
            return document.expires_in
        return document.expires_on - self._clock.now() if document.expires_on is not None else 0.0
