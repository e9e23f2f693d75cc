"""Service accounts of an OpenAI project, and their keys, by OpenAI's administration API.

Source: platform.openai.com/docs/api-reference/project-service-accounts and /project-api-keys. Only a command uses it:
the gateway never has an admin key.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from tidegate.core.config.secret_errors import SecretError, SecretSourceUnavailable
from tidegate.secrets.sources.http import decode, fetch

_SERVICE = "OpenAI's administration API"
_DEADLINE_SECONDS = 30.0
_PAGE = 100
_MOST_PAGES = 100
_REDACTED = re.compile(r"([^.*…]+)(?:\.{2,}|\*+|…)([^.*…]{3,})")

_Document = TypeVar("_Document")


class OldKeyUnknown(SecretError):
    """It is not certain which service account has the old key."""

    name = "old_key_unknown"


class _MadeKey(msgspec.Struct):
    value: str


class _MadeAccount(msgspec.Struct):
    id: str
    api_key: _MadeKey | None = None


class _Owner(msgspec.Struct):
    id: str


class _Ownership(msgspec.Struct):
    type: str = ""
    service_account: _Owner | None = None


class ProjectKey(msgspec.Struct, frozen=True):
    """A key of the project, as OpenAI lists it."""

    id: str
    redacted_value: str
    owner: _Ownership
    last_used_at: int | None = None

    @property
    def account(self) -> str:
        """The id of the service account that has it; empty for a person's key."""
        return self.owner.service_account.id if self.owner.service_account is not None else ""

    def is_of(self, key: str) -> bool:
        """Return whether this may be the key: OpenAI shows its beginning and its end."""
        found = _REDACTED.fullmatch(self.redacted_value)
        return found is not None and key.startswith(found[1]) and key.endswith(found[2])


class _KeyPage(msgspec.Struct):
    data: list[ProjectKey]
    has_more: bool = False
    last_id: str | None = None


class _DeletedAccount(msgspec.Struct):
    deleted: bool


class ServiceAccountKey(msgspec.Struct, frozen=True):
    """A new service account with its key."""

    account: str
    key: str

    def __repr__(self) -> str:
        return f"ServiceAccountKey({self.account})"


class ServiceAccounts:
    """The service accounts of one project. Each method raises SecretError."""

    def __init__(self, base_url: str, project: str, admin_key: str) -> None:
        """`base_url` ends in `/v1`; `project` is the project's id."""
        self._url = f"{base_url.rstrip('/')}/organization/projects/{quote(project, safe='')}"
        self._headers: Mapping[str, str] = {
            "authorization": f"Bearer {admin_key}",
            "content-type": "application/json",
        }

    def __repr__(self) -> str:
        return f"<ServiceAccounts at {self._url}>"

    def create(self, name: str) -> ServiceAccountKey:
        """Make a service account with a key."""
        made = self._call("POST", "/service_accounts", _MadeAccount, {"name": name})
        if made.api_key is None:
            self.delete(made.id)
            raise SecretSourceUnavailable(
                f"{_SERVICE} made the service account {made.id} without a key; it is deleted."
            )
        return ServiceAccountKey(made.id, made.api_key.value)

    def delete(self, account: str) -> None:
        """Delete a service account, and so its keys."""
        deleted = self._call("DELETE", f"/service_accounts/{quote(account, safe='')}", _DeletedAccount)
        if not deleted.deleted:
            raise SecretSourceUnavailable(f"{_SERVICE} did not delete the service account {account}.")

    def key_of(self, text: str) -> ProjectKey:
        """Return the only key of the project that `text` can be, of a service account that has no other key."""
        keys = list(self._keys())
        found = [key for key in keys if key.is_of(text) and key.account]
        if len(found) != 1:
            raise OldKeyUnknown(f"Nothing was changed: the old key fits {len(found)} service accounts of the project.")
        if sum(key.account == found[0].account for key in keys) > 1:
            raise OldKeyUnknown(f"Nothing was changed: the service account {found[0].account} has further keys.")
        return found[0]

    def last_used_at(self, key_id: str) -> int | None:
        """Return when OpenAI last saw a key, in Unix seconds; None for never."""
        return self._call("GET", f"/api_keys/{quote(key_id, safe='')}", ProjectKey).last_used_at

    def _keys(self) -> Iterator[ProjectKey]:
        after = ""
        for _ in range(_MOST_PAGES):
            page = self._call("GET", f"/api_keys?limit={_PAGE}{after}", _KeyPage)
            yield from page.data
            if not page.has_more or not page.last_id:
                return
            after = f"&after={quote(page.last_id, safe='')}"
        raise OldKeyUnknown(f"Nothing was changed: the project has more than {_PAGE * _MOST_PAGES:,} keys.")

    def _call(
        self, method: str, path: str, kind: type[_Document], fields: Mapping[str, Any] | None = None
    ) -> _Document:
        body = b"" if fields is None else msgspec.json.encode(fields)
        answer = fetch(method, self._url + path, self._headers, body, deadline_seconds=_DEADLINE_SECONDS)
        return decode(answer, kind, _SERVICE)
