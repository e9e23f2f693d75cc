"""A server that speaks OpenAI's API at another address: vLLM, Ollama, another gateway."""

from tidegate.providers.base import Credential
from tidegate.providers.openai_family.parameter_rules import COMPATIBLE_SERVER_RULES
from tidegate.providers.openai_family.provider import OpenAIFamilyProvider


class OpenAICompatibleProvider(OpenAIFamilyProvider):
    """A compatible server; many of them need no key."""

    built_in_rules = COMPATIBLE_SERVER_RULES
    takes_signatures = True

    def _authorization(self, credential: Credential) -> dict[str, str]:
        return {} if credential.secret is None else super()._authorization(credential)
