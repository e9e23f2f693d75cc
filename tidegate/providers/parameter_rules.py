"""A call in the words of one target: its model's name, and what declared rules change of its parameters.

Rules are data: those of the configuration always hold; those below are for a target whose model the caller did not
name, or spoke to in the words of another API, so could not know what it takes. Nothing is changed without a word:
each change is told.
"""

from collections.abc import Iterator, Mapping, Sequence
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
    """What some models do not take, and what is done about it."""

    models: tuple[str, ...] = ("*",)
    """Patterns."""
    routes: frozenset[Endpoint] = frozenset(endpoints.ALL)
    rename: tuple[tuple[str, str], ...] = ()
    drop: tuple[str, ...] = ()
    refuse: tuple[str, ...] = ()
    defaults: tuple[tuple[str, msgspec.Raw], ...] = ()


class MappedParameters(msgspec.Struct, frozen=True):
    """A call's fields as a target takes them."""

    fields: Fields
    changes: tuple[str, ...] = ()
    """What was changed, as `parameter: what`."""


_REASONING = ("o1*", "o3*", "o4*", "gpt-5", "gpt-5-20*", "gpt-5-mini*", "gpt-5-nano*")
_SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias")
_OPENAI_REASONING = Rule(
    models=_REASONING, routes=_BOTH, rename=(("max_tokens", "max_completion_tokens"),), drop=_SAMPLING
)
_NO_STOP = Rule(models=("o3*", "o4*", *_REASONING[3:]), routes=_CHAT, refuse=("stop",))
_NON_REASONING = Rule(
    models=("gpt-3.5*", "gpt-4*", "chatgpt-*"), routes=_BOTH, drop=("reasoning_effort", "reasoning", "verbosity")
)
_TOKEN_LIMIT = Rule(models=("gpt-5*",), routes=_CHAT, rename=(("max_tokens", "max_completion_tokens"),))
_COMPATIBLE_SERVERS = Rule(
    routes=_CHAT,
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
BUILT_IN_RULES: Mapping[str, tuple[Rule, ...]] = {
    "openai": (_NO_STOP, _OPENAI_REASONING, _TOKEN_LIMIT, _NON_REASONING),
    "azure": (_NO_STOP, _OPENAI_REASONING, _TOKEN_LIMIT, _NON_REASONING),
    "openai_compatible": (_COMPATIBLE_SERVERS,),
}
"""By the kind of provider: what is known of models that somebody may be sent to without having named them.

OpenAI's reasoning models take no sampling parameters and no `max_tokens`, the later ones no `stop`, without which an
answer may be another; its other models do not reason (OpenAI, "Reasoning models", "Create chat completion"). Other
servers speak the chat API as it was before `max_completion_tokens`, and keep nothing.
"""


class ParameterMapper:
    """Fits calls to the models of one provider."""

    def __init__(self, kind: str, rules: Sequence[Rule]) -> None:
        """`kind` is the provider's, `rules` those of its configuration."""
        self._rules = tuple(rules)
        self._built_in = BUILT_IN_RULES[kind]
        self._rules_for = lru_cache(1024)(self._find)

    def map(self, call: Call, target: Target, *, model: str) -> MappedParameters:
        """The call for `target`, which is sent under the name `model`. Raises ParameterNotTaken."""
        fields = call.upstream_fields()
        if call.model != model or "model" not in fields:
            fields = {**fields, "model": msgspec.Raw(msgspec.json.encode(model))}
        named = call.model == target.model and not call.is_translated
        if named and not self._rules:
            return MappedParameters(fields)
        rules = self._rules_for(call.endpoint, target.model, named)
        return _apply(rules, fields, target) if rules else MappedParameters(fields)

    def _find(self, route: Endpoint, model: str, named: bool) -> tuple[Rule, ...]:  # noqa: FBT001  # a key of the cache
        rules = self._rules if named else (*self._rules, *self._built_in)
        return tuple(
            rule for rule in rules if route in rule.routes and any(fnmatchcase(model, each) for each in rule.models)
        )


def _apply(rules: Sequence[Rule], fields: Fields, target: Target) -> MappedParameters:
    """Each rule in its order: refuse, rename, drop, then what is missing."""
    fields = dict(fields)
    notes: list[str] = []
    for rule in rules:
        _refuse(rule, fields, target)
        notes += [*_rename(rule, fields), *_drop(rule, fields), *_set_defaults(rule, fields)]
    return MappedParameters(fields, tuple(notes))


def _refuse(rule: Rule, fields: Fields, target: Target) -> None:
    for name in rule.refuse:
        if _is_set(fields, name):
            raise UnsupportedByTarget(f"The target {target.name} does not take `{name}`.", param=name)


def _rename(rule: Rule, fields: Fields) -> Iterator[str]:
    for name, there in rule.rename:
        if _is_set(fields, there):  # the caller said both: the one that the target knows is meant
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
    said = _is_set(fields, name)
    fields.pop(name, None)
    if said:  # null says nothing, so nothing is lost
        yield f"{name}: dropped"


def _is_set(fields: Fields, name: str) -> bool:
    return name in fields and bytes(fields[name]) != b"null"
