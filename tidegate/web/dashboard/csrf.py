"""Tells requests of the dashboard's own page from those that another site has the browser send. Pure.

A browser adds the session's cookie to a request, whatever page sends it. So a request by cookie must come from the
gateway's own page, and one that may change something must also name a text that only that page can have read.
"""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from tidegate.core.errors import ForgedRequest

CSRF_HEADER = "x-tidegate-csrf"
_PURPOSE = b"tidegate dashboard csrf"
_OF_THIS_PAGE = ("same-origin", "none")
"""Values of Sec-Fetch-Site: sent by a page of this origin, or by the user who typed the address."""
_SAFE_METHODS = ("GET", "HEAD")


def csrf_token(session_token: str) -> str:
    """Return the text that a session's requests must name. It says nothing about the session's token."""
    return hmac.new(session_token.encode(errors="replace"), _PURPOSE, hashlib.sha256).hexdigest()


def check_page(headers: Mapping[str, str]) -> None:
    """Check that a request does not come from another site's page. Raises ForgedRequest.

    Browsers send Sec-Fetch-Site over https and on the loopback. Without it, the Origin must be that of the Host.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        if site not in _OF_THIS_PAGE:
            raise ForgedRequest
        return
    origin = headers.get("origin")
    if origin is not None and not _is_host(origin, headers.get("host", "")):
        raise ForgedRequest


def check_request(method: str, headers: Mapping[str, str], session_token: str) -> None:
    """Check that a request by cookie comes from the dashboard's page. Raises ForgedRequest."""
    check_page(headers)
    if method not in _SAFE_METHODS:
        named = headers.get(CSRF_HEADER, "").encode(errors="replace")
        if not hmac.compare_digest(named, csrf_token(session_token).encode()):
            raise ForgedRequest


def _is_host(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower() != ""
    except ValueError:
        return False
