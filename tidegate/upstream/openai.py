"""OpenAI as a target: its address, this gateway's credential, and what of the caller's headers goes along."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache, partial

from tidegate import __version__
from tidegate.core.config import UpstreamConfig
from tidegate.core.errors import NoUpstreamKey
from tidegate.core.values import Route
from tidegate.upstream.transport import Exchange, Transport

PROVIDER = "openai"


class OpenAI:
    """The upstream that calls are sent to."""

    def __init__(self, config: UpstreamConfig, transport: Transport) -> None:
        self._transport = transport
        self._base = config.base_url.rstrip("/")
        self._goes_along = lru_cache(1024)(partial(_matches, config.forward_headers))
        self._key = config.api_key
        self.max_answer_bytes = config.max_answer_bytes
        self._fixed = {"user-agent": f"tidegate/{__version__}", "accept-encoding": "identity"}
        if config.organization:
            self._fixed["openai-organization"] = config.organization
        if config.project:
            self._fixed["openai-project"] = config.project

    def __repr__(self) -> str:
        return f"<OpenAI at {self._base}>"

    def forwarded(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Those of a caller's headers (lower-case names) that go upstream."""
        return {name: value for name, value in headers.items() if self._goes_along(name)}

    async def ask(self, route: Route, body: bytes, headers: Mapping[str, str], *, stream: bool) -> Exchange:
        """Send an inference call. Raises the errors of `Transport.send` and NoUpstreamKey."""
        accept = "text/event-stream" if stream else "application/json"
        sent = {**headers, **self._authorized(), "content-type": "application/json", "accept": accept}
        return await self._transport.send("POST", self._base + route.value.removeprefix("/v1"), sent, body)

    async def get(self, path: str) -> Exchange:
        """Read a free route such as `/models`; `path` is below the base address and is already quoted."""
        return await self._transport.send("GET", self._base + path, {**self._authorized(), "accept": "*/*"}, None)

    def _authorized(self) -> dict[str, str]:
        if self._key is None:
            raise NoUpstreamKey
        return {**self._fixed, "authorization": f"Bearer {self._key.get_secret_value()}"}


def _matches(patterns: tuple[str, ...], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
