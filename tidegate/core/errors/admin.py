"""Errors of the admin API, and of using the wrong kind of key for it."""

from tidegate.core.errors.caller import CallerError


class AdminKeyRequired(CallerError):
    """This route needs an admin key; nothing was done. Use a key made by `tidegate keys create --admin`."""

    name = "admin_key_required"
    code = "insufficient_permissions"


class AdminKeyNotAllowed(CallerError):
    """An admin key cannot call models or read stored data; nothing was done. Use a key made without `--admin`."""

    name = "admin_key_not_allowed"
    code = "insufficient_permissions"


class ApiKeyNotFound(CallerError):
    """No API key has this id; nothing was changed. `tidegate keys list` and `GET /admin/v1/keys` list the keys."""

    name = "api_key_not_found"


class CallNotFound(CallerError):
    """The ledger has no call with this id."""

    name = "call_not_found"


class RotationRefused(CallerError):
    """The key cannot be rotated so; nothing was changed."""

    name = "rotation_refused"


class CredentialNotFound(CallerError):
    """No credential has this name; nothing was changed. `tidegate upstream show` lists the credentials."""

    name = "credential_not_found"


class ProjectNotFound(CallerError):
    """No project has this name; nothing was changed. Create it with its first key: `tidegate keys create`."""

    name = "project_not_found"
