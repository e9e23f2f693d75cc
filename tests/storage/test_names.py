"""Names of keys in Redis never meet: other texts give another name, and no name continues one with a text in it."""

import re
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.storage.names import KINDS, RedisNames, escape, path, unescape
from tidegate.storage.redis import RedisLink, Script

NAMES = RedisNames("tidegate")
AWKWARD = [
    "",
    "a",
    "a:b",
    ":",
    "%",
    "%3A",
    "/",
    "a/b",
    "%2F",
    "flows",
    "a:flows",
    "2026-11",
    "a:2026-11",
    "}",
    "\n",
    "é",
]
TEXT = st.one_of(st.sampled_from(AWKWARD), st.text(alphabet="ab:%/3A2F.-{}", max_size=6), st.text(max_size=8))
SCRIPTS = [file.name for file in resources.files("tidegate.storage.lua").iterdir() if file.name.endswith(".lua")]


@st.composite
def inputs(draw: st.DrawFn) -> tuple[str, ...]:
    """Return a kind, and texts for a name of it."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    return (kind, *(draw(TEXT) for _ in range(KINDS[kind].texts)))


@given(inputs(), inputs())
def test_two_names_never_meet(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    if one == other:
        return
    first, second = NAMES.of(*one), NAMES.of(*other)
    assert first != second
    if KINDS[one[0]].texts:
        assert not second.startswith(f"{first}:")


@given(st.lists(TEXT, min_size=1, max_size=3), st.lists(TEXT, min_size=1, max_size=3))
def test_two_paths_never_meet(one: list[str], other: list[str]) -> None:
    first, second = path("scope", *one), path("scope", *other)
    if len(one) == len(other):
        assert (first == second) == (one == other)
    assert ":" not in first + second


@given(TEXT)
def test_an_escaped_text_can_be_read_back(text: str) -> None:
    assert unescape(escape(text)) == unescape(path(text, "x")).removesuffix("/x") == text


@pytest.mark.parametrize("text", ["shop", "auth0|7", "gpt-4o-mini", "a.b@c.de", "meta/llama", "Ünï cödé", "ft-x_1"])
def test_ordinary_texts_stand_in_names_as_they_are(text: str) -> None:
    assert escape(text) == text


def test_every_name_has_the_hash_tag_of_the_deployment() -> None:
    for kind, about in KINDS.items():
        assert NAMES.of(kind, *["{x}"] * about.texts).startswith("{tidegate}:")


def test_a_version_after_the_first_is_part_of_the_name() -> None:
    assert NAMES.of("lane", "openai/default/gpt") == "{tidegate}:lane.2:openai/default/gpt"
    assert NAMES.of("answer", "f0") == NAMES.start("answer") + "f0" == "{tidegate}:answer:f0"


def test_a_name_of_another_number_of_texts_is_refused() -> None:
    with pytest.raises(TypeError, match="2 texts, not 1"):
        NAMES.of("spent", "all")


class _NamesInLua(Script):
    """Builds a name of each kind whose texts the scripts know, as they do."""

    def __init__(self) -> None:
        super().__init__("names")
        self.text += """
          local function build(kind, lane, one, other)
            if lane == '1' then
              return name_of_lane(ARGV[1], kind, one) .. (other and ':' .. name_escape(other) or '')
            elseif other then
              return name_of_period(ARGV[1], kind, name_escape(one), name_escape(other))
            end
            return name_of(ARGV[1], kind, name_escape(one))
          end
          return build(unpack(ARGV, 2))"""
        self.digest = "0" * 40


@pytest.mark.parametrize("kind", [kind for kind, about in KINDS.items() if about.texts])
@pytest.mark.parametrize("text", AWKWARD)
async def test_lua_builds_the_same_names(redis_link: RedisLink, kind: str, text: str) -> None:
    texts, is_lane = [text, "b:%"][: KINDS[kind].texts], int(KINDS[kind].version > 1)
    built = await redis_link.run(_NamesInLua(), (), (NAMES.tag, kind, is_lane, *texts))
    assert built.decode() == NAMES.of(kind, *texts)


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_scripts_use_only_names_that_are_listed(script: str) -> None:
    text = resources.files("tidegate.storage.lua").joinpath(script).read_text()
    for builder, kind in re.findall(r"(name_of\w*)\([^,()]+, '([^']+)'", text):
        about = KINDS[kind]
        assert about.texts == (2 if builder == "name_of_period" or kind == "lane_line" else 1)
        assert (about.version == 2) == (builder == "name_of_lane")
    for kind in re.findall(r"(?:prefix|ARGV\[1\]) \.\. ':([^']+)'", text.replace("':' .. kind", "")):
        assert KINDS[kind].texts == 0
        assert (KINDS[kind].version == 2) == (f"':{kind}' .. LANE_VERSION" in text)
