"""Azure OpenAI as a provider: one address for each deployment, API versions, and its own header for the key."""

from urllib.parse import quote, urlencode

from tidegate.core.clock import Clock
from tidegate.core.config import ProviderConfig
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import NoUpstreamKey
from tidegate.providers.base import Credential
from tidegate.providers.openai_family.parameter_rules import OPENAI_RULES
from tidegate.providers.openai_family.provider import OpenAIFamilyProvider
from tidegate.providers.target import Target
from tidegate.providers.transport import Transport


class AzureProvider(OpenAIFamilyProvider):
    """One Azure OpenAI resource."""

    built_in_rules = OPENAI_RULES

    def __init__(self, name: str, config: ProviderConfig, transport: Transport, clock: Clock) -> None:
        """Prepare the provider; `config` has its defaults filled in."""
        super().__init__(name, config, transport, clock)
        self._deployments = config.deployments
        self._version = f"?{urlencode({'api-version': config.api_version})}" if config.api_version else ""
        self._is_v1 = config.api_surface == "v1"

    def _model(self, model: str) -> str:
        return self._deployments.get(model, model)

    def _url(self, endpoint: Endpoint, target: Target) -> str:
        path = endpoint.path.removeprefix("/v1")
        if not self._is_v1 and endpoint.deployment_in_path:
            path = f"/deployments/{quote(self._model(target.model), safe='')}{path}"
        return self._address(path)

    def _operation_url(self, path: str) -> str:
        plain, _, query = path.removeprefix("/v1").partition("?")
        address = self._address(plain)
        return f"{address}{'&' if '?' in address else '?'}{query}" if query else address

    def _models_url(self, path: str) -> str:
        return self._address(f"/models{path}")

    def _realtime_address(self) -> str:
        return self._address("/realtime")

    def _realtime_query(self, target: Target) -> dict[str, str]:
        query = super()._realtime_query(target)
        return query if self._is_v1 or not query else {"deployment": query["model"]}

    def _address(self, path: str) -> str:
        return f"{self._base}/openai{'/v1' if self._is_v1 else ''}{path}{self._version}"

    def _authorization(self, credential: Credential) -> dict[str, str]:
        if credential.secret is None:
            raise NoUpstreamKey
        return {"api-key": credential.secret.get_secret_value()}
