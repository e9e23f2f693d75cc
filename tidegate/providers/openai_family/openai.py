"""OpenAI itself as a provider."""

from tidegate.providers.openai_family.parameter_rules import OPENAI_RULES
from tidegate.providers.openai_family.provider import OpenAIFamilyProvider


class OpenAIProvider(OpenAIFamilyProvider):
    """OpenAI's own API."""

    built_in_rules = OPENAI_RULES
    takes_account_headers = True
