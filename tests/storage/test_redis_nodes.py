"""A link uses the address of the URL, or the node that has the keys; it tries the others when that one goes away."""

from pathlib import Path

import pytest
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import MovedError

from tidegate.core.config import ConfigError
from tidegate.storage.redis_nodes import Address, RedisNodes, check_url

CLUSTER_NODES = b"""\
07c3 127.0.0.1:30004@31004,host-4 slave e7d1 0 1426238317239 4 connected
67ed 127.0.0.1:30002@31002 master - 0 1426238316232 2 connected 5461-10922
9a52 :0@0 slave,noaddr e7d1 1426238317239 0 0 disconnected
e7d1 ::1:30001@31001 myself,master - 0 0 1 connected 0-5460
"""


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis+sentinel://127.0.0.1:26379/primary", "does not speak to Sentinels"),
        ("sentinel://127.0.0.1:26379", "does not speak to Sentinels"),
        ("http://127.0.0.1", "must begin with redis://, rediss:// or unix://"),
        ("127.0.0.1:6379", "must begin with redis://"),
    ],
)
def test_an_address_that_is_none_of_redis_is_refused(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_url(url)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://127.0.0.1:6379/3", Connection),
        ("rediss://127.0.0.1:6379", SSLConnection),
        ("unix:///tmp/redis.sock", UnixDomainSocketConnection),
    ],
)
def test_the_address_of_the_url_comes_first(url: str, kind: type[Connection]) -> None:
    assert type(RedisNodes(url).connection()) is kind


def test_the_node_that_an_answer_names_is_used_from_then_on() -> None:
    nodes = RedisNodes("redis://:secret@127.0.0.1:7000")
    assert nodes.follow(MovedError("9 127.0.0.1:7001"))
    assert not nodes.follow(MovedError("9 127.0.0.1:7001"))
    connection = nodes.connection()
    assert (connection.host, connection.port, connection.password) == ("127.0.0.1", 7001, "secret")
    assert "secret" not in repr(nodes)


def test_an_answer_without_a_host_means_the_same_host() -> None:
    nodes = RedisNodes("redis://localhost:7000")
    nodes.follow(MovedError("9 :7001"))
    assert nodes.address == ("localhost", 7001)


def test_a_node_named_to_a_client_of_a_unix_socket_is_reached_by_tcp() -> None:
    nodes = RedisNodes("unix:///tmp/redis.sock")
    nodes.follow(MovedError("9 127.0.0.1:7001"))
    assert type(nodes.connection()) is Connection


def test_when_a_node_fails_all_others_are_tried_in_turn() -> None:
    nodes = RedisNodes("redis://127.0.0.1:7000")
    nodes.failed()
    assert nodes.address is None  # a single Redis: there is no other
    nodes.follow(MovedError("9 ::1:30001"))
    nodes.learn(CLUSTER_NODES)
    tried: list[Address | None] = []
    for _ in range(4):
        nodes.failed()
        tried.append(nodes.address)
    assert tried == [None, ("127.0.0.1", 30004), ("127.0.0.1", 30002), ("::1", 30001)]


def test_authorities_are_used_for_tls_alone(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    secured = RedisNodes("rediss://127.0.0.1:6379", ca_file=ca_file).connection()
    assert isinstance(secured, SSLConnection)
    assert secured.ca_certs == str(ca_file)
    assert type(RedisNodes("redis://127.0.0.1:6379", ca_file=ca_file).connection()) is Connection
