"""Map a call's parameters to what one target takes: its model's name, and declared rules for single parameters.

Rules are data. Those of the configuration always apply. The built-in ones apply where the caller could not know the
target: it named another model, or its call was translated from another API. Each change is reported to the caller in
`x-tidegate-adapted`. `OpenAIFamilyProvider.build_request` calls this.
"""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

import msgspec

from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import UnsupportedByTarget
from tidegate.providers.target import Target
from tidegate.wire.call import Call

Fields = dict[str, msgspec.Raw]

_CHAT, _BOTH = frozenset({endpoints.CHAT}), frozenset({endpoints.CHAT, endpoints.RESPONSES})


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters that some models do not take, and what the gateway does about them."""

    models: tuple[str, ...] = ("*",)
    """Patterns of model names."""
    endpoints: frozenset[Endpoint] = frozenset(endpoints.ALL)
    rename: tuple[tuple[str, str], ...] = ()
    drop: tuple[str, ...] = ()
    refuse: tuple[str, ...] = ()
    defaults: tuple[tuple[str, msgspec.Raw], ...] = ()


class MappedParameters(msgspec.Struct, frozen=True):
    """A call's parameters as a target takes them."""

    fields: Fields
    changes: tuple[str, ...] = ()
    """The changes, each as `parameter: change`."""


_REASONING = ("o1*", "o3*", "o4*", "gpt-5", "gpt-5-20*", "gpt-5-mini*", "gpt-5-nano*")
_SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias")
_OPENAI_REASONING = Rule(
    models=_REASONING, endpoints=_BOTH, rename=(("max_tokens", "max_completion_tokens"),), drop=_SAMPLING
)
_NO_STOP = Rule(models=("o3*", "o4*", *_REASONING[3:]), endpoints=_CHAT, refuse=("stop",))
_NON_REASONING = Rule(
    models=("gpt-3.5*", "gpt-4*", "chatgpt-*"), endpoints=_BOTH, drop=("reasoning_effort", "reasoning", "verbosity")
)
_TOKEN_LIMIT = Rule(models=("gpt-5*",), endpoints=_CHAT, rename=(("max_tokens", "max_completion_tokens"),))
_COMPATIBLE_SERVERS = Rule(
    endpoints=_CHAT,
    rename=(("max_completion_tokens", "max_tokens"),),
    drop=(
        "store",
        "metadata",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "verbosity",
        "prediction",
    ),
)
OPENAI_RULES = (_NO_STOP, _OPENAI_REASONING, _TOKEN_LIMIT, _NON_REASONING)
COMPATIBLE_SERVER_RULES = (_COMPATIBLE_SERVERS,)
"""What is known of models that a call may reach although its caller named another one.

OpenAI's reasoning models take no sampling parameters and no `max_tokens`. The later ones take no `stop`: dropping it
could change the answer, so it is refused. OpenAI's other models do not reason (OpenAI, "Reasoning models", "Create chat
completion"). Compatible servers have the chat API as it was before `max_completion_tokens`, and store nothing.
"""


class ParameterMapper:
    """Maps the parameters of calls to what the models of one provider take."""

    def __init__(self, built_in: Sequence[Rule], rules: Sequence[Rule]) -> None:
        """Prepare the rules: `built_in` belong to the kind of provider, `rules` to its configuration."""
        self._rules = tuple(rules)
        self._built_in = tuple(built_in)
        self._rules_for = lru_cache(1024)(self._find)

    def map(self, call: Call, target: Target, *, model: str) -> MappedParameters:
        """Return the parameters for `target`, whose model is sent as `model`. Raises UnsupportedByTarget."""
        if call.assumed_output is not None:
            return self._map_assumed(call, call.assumed_output, target, model=model)
        fields = call.upstream_fields()
        if call.model != model or ("model" not in fields and not call.names_prompt):
            fields = {**fields, "model": msgspec.Raw(msgspec.json.encode(model))}
        named = call.model == target.model and not call.is_translated
        if named and not self._rules:
            return MappedParameters(fields)
        rules = self._rules_for(call.endpoint, target.model, named)
        return _apply(rules, fields, target) if rules else MappedParameters(fields)

    def output_cap(self, endpoint: Endpoint, model: str) -> str | None:
        """Return the parameter by which `model` takes an output limit; None where it takes none."""
        if not endpoint.output_caps:
            return None
        name, here = endpoint.output_caps[0], True
        for rule in self._rules_for(endpoint, model, False):  # noqa: FBT003  # a key of the cache
            name = dict(rule.rename).get(name, name)
            here = here and name not in rule.drop
        return name if here else None

    def _map_assumed(self, call: Call, tokens: int, target: Target, *, model: str) -> MappedParameters:
        """Map a call to which the gateway added an output limit: under the name that the target takes, and told."""
        fields = {name: value for name, value in call.raw.items() if name not in call.endpoint.output_caps}
        mapped = self.map(msgspec.structs.replace(call, raw=fields, assumed_output=None), target, model=model)
        name = self.output_cap(call.endpoint, target.model)
        if name is None:
            return mapped
        limit = msgspec.Raw(msgspec.json.encode(tokens))
        return MappedParameters({**mapped.fields, name: limit}, (*mapped.changes, f"{name}: set to {tokens}"))

    def _find(self, endpoint: Endpoint, model: str, named: bool) -> tuple[Rule, ...]:  # noqa: FBT001  # a key of the cache
        rules = self._rules if named else (*self._rules, *self._built_in)
        return tuple(
            rule
            for rule in rules
            if endpoint in rule.endpoints and any(fnmatchcase(model, each) for each in rule.models)
        )


def _apply(rules: Sequence[Rule], fields: Fields, target: Target) -> MappedParameters:
    """Apply the rules in their order; within a rule: refuse, rename, drop, then set defaults."""
    fields = dict(fields)
    changes: list[str] = []
    for rule in rules:
        _refuse(rule, fields, target)
        changes += [*_rename(rule, fields), *_drop(rule, fields), *_set_defaults(rule, fields)]
    return MappedParameters(fields, tuple(changes))


def _refuse(rule: Rule, fields: Fields, target: Target) -> None:
    for name in rule.refuse:
        if _is_set(fields, name):
            raise UnsupportedByTarget(f"The target {target.name} does not take `{name}`.", param=name)


def _rename(rule: Rule, fields: Fields) -> Iterator[str]:
    for name, there in rule.rename:
        if _is_set(fields, there):  # the caller set both: the one that the target knows counts
            yield from _drop_field(fields, name)
        elif _is_set(fields, name):
            fields[there] = fields.pop(name)
            yield f"{name}: {there}"


def _drop(rule: Rule, fields: Fields) -> Iterator[str]:
    for name in rule.drop:
        yield from _drop_field(fields, name)


def _set_defaults(rule: Rule, fields: Fields) -> Iterator[str]:
    for name, value in rule.defaults:
        if not _is_set(fields, name):
            fields[name] = value
            yield f"{name}: set"


def _drop_field(fields: Fields, name: str) -> Iterator[str]:
    was_set = _is_set(fields, name)
    fields.pop(name, None)
    if was_set:  # dropping null changes nothing
        yield f"{name}: dropped"


def _is_set(fields: Fields, name: str) -> bool:
    return name in fields and bytes(fields[name]) != b"null"
