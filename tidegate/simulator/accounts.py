"""OpenAI's administration API for the service accounts of projects: made, listed, deleted; each has one key.

With an admin key the simulator accepts only the keys that it made, and the one that it was started with.
"""

import hmac
import re
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum, unique
from random import Random
from typing import Any

import msgspec

from tidegate.core.clock import Clock
from tidegate.simulator.faults import server_error
from tidegate.simulator.keys import check_key, key_of
from tidegate.simulator.refusal import Refusal, invalid

PATH = "/v1/organization/projects/"
_ADDRESS = re.compile(r"/v1/organization/projects/([\w-]+)/(service_accounts|api_keys)(?:/([\w-]+))?")
_FIRST_PROJECT = "proj_simulator"


@unique
class AdminFault(StrEnum):
    """A fault of the administration API."""

    PROJECT_ARCHIVED = "project_archived"
    SERVER_ERROR = "server_error"
    NO_KEY = "no_key"
    """A service account is made without a key."""
    DEAD_KEY = "dead_key"
    """The key of a new service account is refused."""
    NOT_DELETED = "not_deleted"
    """A deletion is answered and not made."""


class _Account(msgspec.Struct, kw_only=True):
    id: str
    project: str
    name: str
    key: str
    created_at: int
    last_used_at: int | None = None
    is_live: bool = True


class SimulatedAccounts:
    """The service accounts of all projects, and the keys that are accepted."""

    def __init__(self, admin_key: str | None, first_key: str | None, clock: Clock, random: Random) -> None:
        """Without `admin_key` there is no administration API; `first_key` is then the only key, None for any."""
        self._admin_key = admin_key
        self._first_key = first_key
        self._clock = clock
        self._random = random
        self._accounts: dict[str, _Account] = {}
        self._by_key: dict[str, _Account] = {}
        self._faults: Counter[AdminFault] = Counter()
        if admin_key is not None and first_key is not None:
            self._add("first", _FIRST_PROJECT, first_key)

    def __repr__(self) -> str:
        return f"<SimulatedAccounts: {len(self._accounts)}>"

    def check_key(self, headers: Mapping[str, str]) -> None:
        """Raise Refusal, 401, if the key of a call is not accepted."""
        if self._admin_key is None:
            return check_key(headers, self._first_key)
        account = self._by_key.get(key_of(headers))
        check_key(headers, account.key if account is not None and account.is_live else "")
        if account is not None:
            account.last_used_at = int(self._clock.now())
        return None

    def set_faults(self, counts: Mapping[str, Any]) -> dict[str, int]:
        """Have each fault strike so many times; return all that will strike. Raises Refusal."""
        for name, count in counts.items():
            if name not in set(AdminFault) or not isinstance(count, int) or count < 0:
                raise invalid(f"Faults of the administration are counts of: {', '.join(AdminFault)}.")
        self._faults = Counter({AdminFault(name): count for name, count in counts.items()})
        return {fault.value: count for fault, count in self._faults.items()}

    def answer(self, method: str, path: str, headers: Mapping[str, str], fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer of the administration API. Raises Refusal."""
        if self._admin_key is None or not hmac.compare_digest(key_of(headers).encode(), self._admin_key.encode()):
            message = "You have insufficient permissions for this operation. An admin API key is needed."
            raise Refusal(401, message, code="invalid_api_key")
        found = _ADDRESS.fullmatch(path)
        if found is None:
            raise Refusal(404, f"Invalid URL ({method} {path})", code="unknown_url")
        if self._strikes(AdminFault.SERVER_ERROR):
            raise server_error()
        if self._strikes(AdminFault.PROJECT_ARCHIVED):
            raise invalid("The project is archived.", code="project_archived")
        answers: dict[tuple[str, str, bool], Callable[[], dict[str, Any]]] = {
            ("POST", "service_accounts", False): lambda: self._create(found[1], fields),
            ("DELETE", "service_accounts", True): lambda: self._delete(found[1], found[3]),
            ("GET", "service_accounts", False): lambda: _page([_account_json(one) for one in self._live(found[1])]),
            ("GET", "api_keys", False): lambda: _page([_key_json(one) for one in self._live(found[1])]),
            ("GET", "api_keys", True): lambda: _key_json(self._find(found[1], _account_of(found[3]))),
        }
        answer = answers.get((method, found[2], found[3] is not None))
        if answer is None:
            raise Refusal(405, f"Not allowed to {method} on {path}.", code="method_not_supported")
        return answer()

    def _create(self, project: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        name = fields.get("name")
        if not isinstance(name, str) or not name:
            raise invalid("Missing required parameter: 'name'.", param="name")
        number = len(self._accounts)
        key = f"sk-svcacct-{self._random.getrandbits(160):040x}{number:04d}"
        account = self._add(name, project, key)
        kind = "organization.project.service_account.api_key"
        made = {"object": kind, "value": key, "name": "Secret Key", "created_at": account.created_at}
        if self._strikes(AdminFault.DEAD_KEY):
            self._by_key.pop(key)
        return _account_json(account) | {
            "api_key": None if self._strikes(AdminFault.NO_KEY) else {**made, "id": _key_id(account)}
        }

    def _delete(self, project: str, name: str) -> dict[str, Any]:
        account = self._find(project, name)
        account.is_live = self._strikes(AdminFault.NOT_DELETED)
        deleted = {"object": "organization.project.service_account.deleted", "id": account.id}
        return {**deleted, "deleted": not account.is_live}

    def _add(self, name: str, project: str, key: str) -> _Account:
        now = int(self._clock.now())
        account = _Account(
            id=f"svc_acct_{len(self._accounts):04d}", project=project, name=name, key=key, created_at=now
        )
        self._accounts[account.id] = self._by_key[key] = account
        return account

    def _find(self, project: str, name: str) -> _Account:
        account = self._accounts.get(name)
        if account is None or account.project != project or not account.is_live:
            raise Refusal(404, f"No such service account or key: {name}.", code="not_found")
        return account

    def _live(self, project: str) -> list[_Account]:
        return [account for account in self._accounts.values() if account.project == project and account.is_live]

    def _strikes(self, fault: AdminFault) -> bool:
        strikes = self._faults[fault] > 0
        self._faults[fault] -= strikes
        return strikes


def _account_of(key_id: str) -> str:
    return key_id.replace("key_", "svc_acct_", 1)


def _key_id(account: _Account) -> str:
    return account.id.replace("svc_acct_", "key_", 1)


def _account_json(account: _Account) -> dict[str, Any]:
    kind = "organization.project.service_account"
    return {"object": kind, "id": account.id, "name": account.name, "role": "member", "created_at": account.created_at}


def _key_json(account: _Account) -> dict[str, Any]:
    return {
        "object": "organization.project.api_key",
        "redacted_value": f"{account.key[:8]}...{account.key[-4:]}",
        "name": "Secret Key",
        "created_at": account.created_at,
        "last_used_at": account.last_used_at,
        "id": _key_id(account),
        "owner_project_access": "active",
        "owner": {"type": "service_account", "service_account": _account_json(account)},
    }


def _page(data: list[dict[str, Any]]) -> dict[str, Any]:
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": False}
