"""Azure OpenAI as a provider: an address for each deployment, versions, and a header of its own for the key."""

from urllib.parse import quote, urlencode

from tidegate.core.clock import Clock
from tidegate.core.config import ProviderConfig
from tidegate.core.errors import NoUpstreamKey
from tidegate.providers.base import Credential, ProviderRequest
from tidegate.providers.openai import OpenAIProvider
from tidegate.providers.transport import Transport


class AzureProvider(OpenAIProvider):
    """One Azure OpenAI resource."""

    def __init__(self, name: str, config: ProviderConfig, transport: Transport, clock: Clock) -> None:
        super().__init__(name, config, transport, clock)
        self._deployments = config.deployments
        self._version = f"?{urlencode({'api-version': config.api_version})}" if config.api_version else ""
        self._is_v1 = config.api_surface == "v1"

    def _model(self, model: str) -> str:
        return self._deployments.get(model, model)

    def _url(self, request: ProviderRequest) -> str:
        path = request.endpoint.path.removeprefix("/v1")
        if not self._is_v1 and request.endpoint.deployment_in_path:
            path = f"/deployments/{quote(self._model(request.target.model), safe='')}{path}"
        return self._address(path)

    def _models_url(self, path: str) -> str:
        return self._address(f"/models{path}")

    def _address(self, path: str) -> str:
        return f"{self._base}/openai{'/v1' if self._is_v1 else ''}{path}{self._version}"

    def _authorization(self, credential: Credential) -> dict[str, str]:
        if credential.secret is None:
            raise NoUpstreamKey
        return {"api-key": credential.secret.get_secret_value()}
