"""What is refused where the gateway is administered, and to those who administer it."""

from tidegate.core.errors.caller import CallerError


class AdminKeyRequired(CallerError):
    """This API key may not administer the gateway. Use one made by `tidegate keys create --admin`."""

    name = "not_admin"
    code = "insufficient_permissions"


class AdminKeyNotAllowed(CallerError):
    """This is an admin key: it administers the gateway and asks no model anything. Use a key made without `--admin`."""

    name = "admin_key"
    code = "insufficient_permissions"


class ApiKeyNotFound(CallerError):
    """There is no such key. `tidegate keys list` and `GET /admin/v1/keys` show those there are."""

    name = "no_such_key"
    code = "not_found"


class CredentialNotFound(CallerError):
    """There is no such credential. `tidegate upstream show` and `GET /admin/v1/upstream` show those there are."""

    name = "no_such_credential"
    code = "not_found"


class ProjectNotFound(CallerError):
    """There is no such project. A project begins with its first key: `tidegate keys create --project NAME`."""

    name = "no_such_project"
    code = "not_found"
