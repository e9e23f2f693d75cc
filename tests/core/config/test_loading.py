"""The configuration is read once; unknown keys are refused with the nearest known name."""

from pathlib import Path

import pytest

from tidegate.core.config import ConfigError, Settings, load

KEY = "sk-proj-Ab3dEf9hIjKlMnOpQrStUvWxYz"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def toml(text: str, name: str = "tidegate.toml") -> Path:
    """A configuration file in the working folder."""
    path = Path(name)
    path.write_text(text)
    return path


def refusal(path: Path | None = None) -> str:
    """Why the configuration cannot be used."""
    with pytest.raises(ConfigError) as refused:
        load(path)
    return str(refused.value)


def test_every_setting_has_a_default() -> None:
    settings = load()
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)
    assert settings.upstream.base_url == "https://api.openai.com/v1"
    assert settings.database_url is settings.redis_url is settings.upstream.api_key is None


def test_the_file_in_the_working_folder_is_read() -> None:
    toml("log_level = 'debug'\n[server]\nport = 9000\n[metering.prices.m]\ninput = 1\n")
    settings = load()
    assert (settings.log_level, settings.server.port) == ("debug", 9000)
    assert settings.metering.prices["m"].input == 1


def test_a_file_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    toml("[server]\nport = 9000\n")
    assert load(toml("[server]\nport = 9001\n", "other.toml")).server.port == 9001
    monkeypatch.setenv("TIDEGATE_CONFIG", "other.toml")
    assert load().server.port == 9001


def test_a_file_that_was_named_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "nowhere.toml" in refusal(Path("nowhere.toml"))
    monkeypatch.setenv("TIDEGATE_CONFIG", "elsewhere.toml")
    assert "elsewhere.toml" in refusal()


def test_the_environment_wins_over_the_file_key_by_key(monkeypatch: pytest.MonkeyPatch) -> None:
    toml("[server]\nport = 9000\nworkers = 3\n[cache]\nttl_seconds = 5\n")
    monkeypatch.setenv("TIDEGATE_SERVER__PORT", "9001")
    monkeypatch.setenv("TIDEGATE_LOG_LEVEL", "error")
    settings = load()
    assert (settings.server.port, settings.server.workers) == (9001, 3)
    assert (settings.cache.ttl_seconds, settings.log_level) == (5, "error")


def test_what_the_command_line_gives_wins_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_SERVER__PORT", "9001")
    assert load(server={"port": 9002}).server.port == 9002


def test_prices_and_lists_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_MODELS__ALLOWED", '["gpt-4o", "gpt-4o-mini"]')
    monkeypatch.setenv("TIDEGATE_METERING__PRICES", '{"my-model": {"input": "0.5", "output": 2}}')
    settings = load()
    assert settings.models.allowed == ["gpt-4o", "gpt-4o-mini"]
    assert str(settings.metering.prices["my-model"].input) == "0.5"


@pytest.mark.parametrize(
    ("text", "key", "meant"),
    [
        ("[sever]\nport = 1\n", "sever", "server"),
        ("[server]\nprot = 1\n", "server.prot", "port"),
        ("[upstream]\napi_kye = 'x'\n", "upstream.api_kye", "api_key"),
        ("[upstream]\nfirst_byte_second = 90\n", "upstream.first_byte_second", "first_byte_seconds"),
        ("loglevel = 'info'\n", "loglevel", "log_level"),
        ("[cache]\nttl = 5\n", "cache.ttl", "ttl_seconds"),
        ("[metering.unknown_model_price]\nimput = 5\n", "metering.unknown_model_price.imput", "input"),
        ("[redis]\nzzz = 1\n", "redis.zzz", "prefix"),
    ],
)
def test_a_key_that_is_unknown_is_named_with_the_one_that_was_meant(text: str, key: str, meant: str) -> None:
    toml(text)
    message = refusal()
    assert f"The setting {key} is unknown." in message
    assert meant in message


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("TIDEGATE_SEVER__PORT", "TIDEGATE_SERVER__PORT"),
        ("TIDEGATE_SERVER__PROT", "TIDEGATE_SERVER__PORT"),
        ("TIDEGATE_SERVER_PORT", "TIDEGATE_SERVER__PORT"),
        ("TIDEGATE_DATABASE_ULR", "TIDEGATE_DATABASE_URL"),
        ("TIDEGATE_UPSTREAM__BASEURL", "TIDEGATE_UPSTREAM__BASE_URL"),
    ],
)
def test_a_variable_that_is_unknown_is_named_with_the_one_that_was_meant(
    variable: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "1")
    message = refusal()
    assert variable in message
    assert f"Did you mean {meant}?" in message


def test_variables_of_other_programs_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATES_PORT", "1")
    monkeypatch.setenv("SERVER__PORT", "1")
    assert load().server.port == 8080


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nport = 'x'\n", ["server.port"]),
        ("[server]\nport = 70000\n", ["server.port", "65535"]),
        ("[database]\npool_size = 21\n", ["database.pool_size", "20"]),
        ("log_level = 'loud'\n", ["log_level"]),
        ("[server]\nport = 'x'\nworkers = 0\n", ["server.port", "server.workers"]),
        ("[server\n", ["tidegate.toml", "TOML"]),
    ],
)
def test_a_value_that_cannot_be_used_is_said_with_its_key_and_reason(text: str, words: list[str]) -> None:
    toml(text)
    message = refusal()
    assert [word for word in words if word not in message] == []


def test_a_file_that_is_no_text_is_said_so() -> None:
    Path("tidegate.toml").write_bytes(b"\xff\xfe\x00")
    assert "tidegate.toml" in refusal()


@pytest.mark.parametrize(
    "variable", ["TIDEGATE_MODELS__ALLOWED", "TIDEGATE_SERVER", "TIDEGATE_UPSTREAM__FORWARD_HEADERS"]
)
def test_a_list_that_is_no_json_is_said_with_its_name(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "gpt-4o")
    message = refusal()
    assert "JSON" in message
    assert variable.split("_", maxsplit=1)[1].partition("__")[0].lower() in message


def key_of(settings: Settings) -> str:
    assert settings.upstream.api_key is not None
    return settings.upstream.api_key.get_secret_value()


def test_the_openai_key_is_found_where_openai_tells_to_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert key_of(load()) == KEY
    monkeypatch.setenv("TIDEGATE_UPSTREAM__API_KEY", "sk-other-one")
    assert key_of(load()) == "sk-other-one", "Tidegate's own variable takes precedence"


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_an_empty_key_is_none(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", empty)
    assert load().upstream.api_key is None


def test_a_keys_line_break_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY + "\n")
    assert key_of(load()) == KEY


def test_no_secret_shows_in_what_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("TIDEGATE_DATABASE_URL", f"postgresql://u:{KEY}@h/d")
    monkeypatch.setenv("TIDEGATE_REDIS_URL", f"redis://:{KEY}@h")
    settings = load()
    for shown in (repr(settings), str(settings), repr(settings.upstream), settings.model_dump_json()):
        assert "Ab3dEf" not in shown
    assert settings.database_url is not None
    assert KEY in settings.database_url.get_secret_value()


@pytest.mark.parametrize("rest", ["first_byte_seconds = 1", "connect_seconds = 'x'", "wrong = 1"])
def test_no_secret_shows_in_a_refusal_nor_in_what_caused_it(rest: str) -> None:
    toml(f"database_url = 'postgresql://u:{KEY}@h'\n[upstream]\napi_key = '{KEY}'\n{rest}\n")
    with pytest.raises(ConfigError) as refused:
        load()
    error: BaseException | None = refused.value
    while error is not None:
        assert "Ab3dEf" not in str(error)
        assert "Ab3dEf" not in repr(error)
        error = error.__cause__
