"""Errors of the dashboard: sessions, forged requests, and keys that only read."""

from tidegate.core.errors.caller import CallerError, InvalidApiKey


class ReadOnlyKey(CallerError):
    """This admin key only reads, so nothing was changed. Use one that was made without `--read-only`."""

    name = "read_only"


class SessionEnded(InvalidApiKey):
    """There is no session, or it has ended: it expired, you logged out, or its key was revoked. Log in again."""

    name = "session_ended"


class ForgedRequest(CallerError):
    """The request uses a session, but it does not come from the dashboard's page; nothing was done. Send a key."""

    name = "forged_request"


class TooManyLogins(CallerError):
    """There were too many wrong keys within a minute, so this one was not looked at. Wait a minute, then try again."""

    name = "too_many_logins"
    retryable = True


class TooManyPages(CallerError):
    """As many pages are open as `dashboard.max_pages` allows, so this one gets no events. Close one, or raise it."""

    name = "too_many_pages"
    retryable = True
