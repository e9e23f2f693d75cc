"""Two providers and their health, for calls that go from one to the other."""

from typing import Any

from tests.routing.fake_provider import FakeProvider, whole_answer
from tests.routing.fake_upstream_call import FakeUpstreamCall
from tests.routing.health_registries import registry_alone
from tidegate.core.clock import ManualClock
from tidegate.providers.target import Target
from tidegate.routing.health.registry import HealthRegistry

HERE, THERE = Target("openai", "m"), Target("azure", "eu")


class World:
    """Two providers: the first has two credentials."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.board: HealthRegistry = registry_alone(self.clock, failure_threshold=3)
        self.openai = FakeProvider("openai", "main", "spare").answers(whole_answer())
        self.azure = FakeProvider("azure").answers(whole_answer("Hi from there", model="eu-1"))
        self.openai.answers(whole_answer("Hi"), credential="spare")

    def asked(self, *targets: Target, **how: Any) -> FakeUpstreamCall:
        providers = {"openai": self.openai, "azure": self.azure}
        return FakeUpstreamCall(self.board, providers, self.clock, *(targets or (HERE, THERE)), **how)

    @property
    def sent(self) -> list[str]:
        """Where calls went."""
        return self.openai.sent_to + self.azure.sent_to
