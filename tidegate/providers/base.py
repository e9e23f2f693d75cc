"""What a provider is to those who ask it, whichever dialect it speaks."""

from collections.abc import Mapping
from typing import Protocol

import msgspec
from pydantic import SecretStr

from tidegate.core.endpoints import Endpoint
from tidegate.providers.target import Target
from tidegate.providers.transport import Exchange
from tidegate.wire.call import Call


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """One account at a provider; limits and faults are counted for each."""

    name: str
    """As it is configured; shown in logs, metrics and lanes."""
    secret: SecretStr | None = None
    """The provider's key; None where the provider asks for none."""
    organization: str | None = None
    project: str | None = None
    rpm: int | None = None
    """Requests per minute for each model, where they are known beforehand."""
    tpm: int | None = None
    """Tokens per minute for each model, where they are known beforehand."""

    def __repr__(self) -> str:
        return f"Credential({self.name})"


class ProviderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A call in the words of one target, ready to be sent with any of its credentials."""

    target: Target
    endpoint: Endpoint
    body: bytes
    stream: bool
    adaptations: tuple[str, ...] = ()
    """What had to be changed, a word or two each; the caller is told (`x-tidegate-adapted`)."""

    def __repr__(self) -> str:
        return f"Fitted({self.target.name}, {self.endpoint.label})"  # the body holds what people said


class Provider(Protocol):
    """Somebody who answers calls."""

    @property
    def name(self) -> str:
        """As it is configured."""
        ...

    @property
    def credentials(self) -> tuple[Credential, ...]:
        """At least one, in the order to try."""
        ...

    @property
    def endpoints(self) -> frozenset[Endpoint]:
        """The routes on which it answers."""
        ...

    @property
    def reasoning_field(self) -> str | None:
        """Where it wants an assistant's reasoning back, if it only speaks chat; None for nowhere."""
        ...

    @property
    def max_answer_bytes(self) -> int:
        """A larger answer is given up."""
        ...

    def build_request(self, call: Call, target: Target) -> ProviderRequest:
        """The call as this target takes it. Raises ParameterNotTaken where a rule refuses a parameter."""
        ...

    async def send(self, request: ProviderRequest, credential: Credential, headers: Mapping[str, str]) -> Exchange:
        """Send a call; `headers` are those of the caller that go along.

        Returns whatever the provider says, success or not. Raises NoUpstreamKey, ConnectTimeout, ConnectionFailed,
        FirstByteTimeout or TotalTimeout.
        """
        ...

    async def probe(self, credential: Credential) -> None:
        """Ask for something free, to see whether the credential is good. Raises UpstreamError."""
        ...
