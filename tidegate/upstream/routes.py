"""What a model's name stands for: the configured route, made into a plan for one call."""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache

from tidegate.core.config import RouteConfig, TargetConfig
from tidegate.core.config.providers import OPENAI
from tidegate.upstream.plan import Canned, Plan, Rungs, Target

Draw = Callable[[], float]
"""A number from 0 up to, but not including, 1."""

_WILD = "*?["


class Routes:
    """The routes of the configuration."""

    def __init__(self, routes: Mapping[str, RouteConfig], *, stale_for: float) -> None:
        """`stale_for` is how long stale answers will do where a route says nothing, in seconds."""
        self._routes = routes
        self._patterns = sorted((name for name in routes if _is_pattern(name)), key=lambda name: (-len(name), name))
        self._stale_for = stale_for
        self._find = lru_cache(1024)(self._look)

    @property
    def names(self) -> tuple[str, ...]:
        """The models that are routes' own names; patterns are not."""
        return tuple(name for name in self._routes if not _is_pattern(name))

    @property
    def asked_as_named(self) -> tuple[str, ...]:
        """The providers to whom a call may go for the very model that it names, the default one first."""
        targets = [target for name, route in self._routes.items() for target in route.targets if _same(name, target)]
        return tuple(dict.fromkeys([OPENAI, *(target.provider for target in targets)]))

    @property
    def longest_stale(self) -> float:
        """The longest that any answer may be given after it has ceased to be fresh, in seconds."""
        return max(self._stale_for, *(self._stale_of(route) for route in self._routes.values()), 0.0)

    def plan(self, model: str, *, draw: Draw) -> Plan:
        """Where a call that names `model` may be answered: its route, else itself at the default provider."""
        route = self._find(model)
        if route is None:
            return Plan(model=model, targets=(Target(OPENAI, model),), stale_for=self._stale_for)
        targets = route.targets if route.order == "listed" else _drawn(route.targets, draw)
        return Plan(
            model=model,
            targets=tuple(_unique(Target(target.provider, target.model or model) for target in targets)),
            rungs=Rungs(**route.rungs.model_dump()),
            stale_for=self._stale_of(route),
            canned=Canned(text=route.canned) if route.canned is not None else None,
        )

    def _stale_of(self, route: RouteConfig) -> float:
        if not route.rungs.stale:
            return 0.0
        return self._stale_for if route.stale_for_seconds is None else route.stale_for_seconds

    def _look(self, model: str) -> RouteConfig | None:
        """The route of this very name, else that of the longest pattern that fits."""
        if model in self._routes:
            return self._routes[model]
        fitting = (name for name in self._patterns if fnmatchcase(model, name))
        return self._routes.get(next(fitting, ""))


def _same(name: str, target: TargetConfig) -> bool:
    return target.model is None or target.model == name


def _is_pattern(name: str) -> bool:
    return any(sign in name for sign in _WILD)


def _drawn(targets: Iterable[TargetConfig], draw: Draw) -> list[TargetConfig]:
    """In an order drawn by weight, without putting back; those without any weight last, as they are listed.

    Each one's key is u ** (1 / weight); the largest goes first (Efraimidis and Spirakis).
    """
    keyed = [(-(draw() ** (1 / weight)) if (weight := _weight(each)) else 1.0, each) for each in targets]
    return [each for _, each in sorted(keyed, key=lambda pair: pair[0])]


def _weight(target: TargetConfig) -> int:
    return 1 if target.weight is None else target.weight


def _unique(targets: Iterable[Target]) -> dict[Target, None]:
    return dict.fromkeys(targets)
