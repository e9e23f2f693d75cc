"""Two projects on one credential: no operation, and no place where an id can stand, reaches the other one's objects.

The tries are generated: each operation of the table, and each inference route, times each place of an id.
"""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from tests.gateway.passthrough.everything_upstream import PREFIXES, EverythingUpstream
from tests.gateway.passthrough.upstream import form
from tests.harness import Gateway, World
from tidegate.core import endpoints
from tidegate.ownership.id_shapes import HOLDERS, KEYS
from tidegate.wire.operations import table
from tidegate.wire.operations.operation import BodyKind, ObjectKind, Operation

pytestmark = [pytest.mark.long, pytest.mark.timeout(280)]

MAKERS = {operation.makes: operation for operation in table.ALL if operation.makes and not operation.of}
"""By kind, the operation that makes such an object without another one."""
JSON_BODIES = (BodyKind.JSON, BodyKind.JSON_OR_MULTIPART)
FORM_BODIES = (BodyKind.MULTIPART, BodyKind.JSON_OR_MULTIPART)

Owned = dict[ObjectKind, str]


class Project:
    """A project with one object of each kind."""

    def __init__(self, gateway: Gateway, key: str) -> None:
        self.gateway = gateway
        self.key = key
        self.objects: Owned = {}

    async def fill(self) -> None:
        """Make an object of each kind, and a fine-tuned model."""
        for kind, operation in MAKERS.items():
            answer = await self.send("POST", operation.path.removeprefix("/v1"), operation)
            assert answer[0] == 200, (operation, answer)
            self.objects[kind] = json.loads(answer[1])["id"]
        job = self.objects[ObjectKind.FINE_TUNING_JOB]
        _, answer_text = await self.send("GET", f"/fine_tuning/jobs/{job}")
        self.objects[ObjectKind.MODEL] = json.loads(answer_text)["fine_tuned_model"]

    async def send(
        self,
        method: str,
        path: str,
        operation: Operation | None = None,
        body: bytes | None = None,
        content_type: str = "",
    ) -> tuple[int, str]:
        """Return the status and the text of an answer; without a body, a small one that fits the operation is sent."""
        if body is None and operation is not None and operation.body is not BodyKind.NONE:
            body, content_type = some_body(operation)
        headers = {"authorization": f"Bearer {self.key}", "content_type": content_type or "application/json"}
        answer = await self.gateway.call(path, body, method=method, **headers)
        return answer.status, answer.text


def some_body(operation: Operation) -> tuple[bytes, str]:
    """Return a body that names nothing."""
    if operation.body is BodyKind.MULTIPART:
        return form(("purpose", b"batch", None), ("file", b"abc", "x.jsonl"))
    return b'{"model": "gpt-4o-mini"}', "application/json"


def path_of(operation: Operation, objects: Owned, theirs: Owned | None = None, param: str = "") -> str:
    """Return an operation's path with ids of `objects`, except for one parameter, which is of `theirs`."""
    path = operation.path.removeprefix("/v1")
    for name, kind in operation.of.items():
        path = path.replace(f"{{{name}}}", (theirs if theirs is not None and name == param else objects)[kind])
    while "{" in path:
        path = path[: path.index("{")] + "part_1" + path[path.index("}") + 1 :]
    return path


def json_places(objects: Owned) -> Iterator[Any]:
    """Yield documents that name an object, each in another place."""
    file_id, store = objects[ObjectKind.FILE], objects[ObjectKind.VECTOR_STORE]
    for key, kind in KEYS.items():
        yield {key: objects[kind]}
        yield {"a": [{"b": {key: [objects[kind]]}}]}
    for holder, kind in HOLDERS.items():
        yield {holder: {"id": objects[kind]}}
    for kind in PREFIXES:
        yield {"anything": [[{"deep": {"id": objects[kind]}}]]}
    yield {"model": objects[ObjectKind.MODEL]}
    yield {"grader": {"model": objects[ObjectKind.MODEL]}}
    yield {"tools": [{"type": "file_search", "vector_store_ids": [store]}]}
    yield {"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": [file_id]}}]}
    yield {"tools": [{"type": "code_interpreter", "container": objects[ObjectKind.CONTAINER]}]}
    yield {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": file_id}}]}]}
    yield {"data_source": {"source": {"type": "file_id", "id": file_id}}}


def written_places(objects: Owned) -> Iterator[bytes]:
    """Yield the same as JSON, and ways of writing that could hide an id."""
    file_id = objects[ObjectKind.FILE]
    for document in json_places(objects):
        yield json.dumps({"model": "gpt-4o-mini", **document}).encode()
    start = b'{"model":"gpt-4o-mini","x":'
    yield start + b'{"file_id":"' + file_id.encode() + b'","file_id":null}}'
    yield start + b'"\\u0066' + file_id[1:].encode() + b'"}'
    yield start + b'{"\\u0066ile_id":"' + file_id.replace("-", "\\u002D").encode() + b'"}}'


def form_places(objects: Owned) -> Iterator[tuple[bytes, str]]:
    """Yield forms that name an object before their file, and behind it."""
    file = ("file", b"x" * 1000, "x.bin")
    fields = [(key, objects[kind].encode()) for key, kind in KEYS.items()]
    fields += [(f"{holder}[id]", objects[kind].encode()) for holder, kind in HOLDERS.items()]
    fields += [(holder, json.dumps({"id": objects[kind]}).encode()) for holder, kind in HOLDERS.items()]
    fields += [("model", objects[ObjectKind.MODEL].encode()), ("file_ids[]", objects[ObjectKind.FILE].encode())]
    for name, value in fields:
        yield form((name, value, None), file)
        yield form(file, (name, value, None))
    yield form(("file_ids[]", b"", None), ("file_ids[]", objects[ObjectKind.FILE].encode(), None), file)


@pytest.fixture
async def upstream() -> AsyncIterator[EverythingUpstream]:
    async with EverythingUpstream().serving() as upstream:
        assert isinstance(upstream, EverythingUpstream)
        yield upstream


@pytest.fixture(params=["refuse", "allow"])
async def gateway(request: pytest.FixtureRequest, world: World, upstream: EverythingUpstream) -> AsyncIterator[Gateway]:
    passthrough = {"unrecorded": request.param, "unknown": "allow"}
    async with world.gateway(upstream={"base_url": upstream.base_url}, passthrough=passthrough) as gateway:
        yield gateway


@pytest.fixture
async def projects(world: World, gateway: Gateway) -> tuple[Project, Project]:
    """Mine, and theirs."""
    both = []
    for name in ("mine", "theirs"):
        key = (await world.keys.create(project=name, name=name)).token
        both.append(Project(gateway, key))
        await both[-1].fill()
    return both[0], both[1]


async def refused(upstream: EverythingUpstream, mine: Project, *request: Any) -> bool:
    """Return whether a request is not found, and never came to the upstream as a whole."""
    before = len(upstream.received)
    status, _ = await mine.send(*request)
    return status == 404 and len(upstream.received) == before


async def test_no_path_leads_to_another_projects_object(
    upstream: EverythingUpstream, projects: tuple[Project, Project]
) -> None:
    mine, theirs = projects
    tried, reached = 0, []
    for operation in table.ALL:
        for param in operation.of:
            path = path_of(operation, mine.objects, theirs.objects, param)
            tried += 1
            if not await refused(upstream, mine, operation.method, path, operation):
                reached.append((operation.label, param))
    for kind, object_id in theirs.objects.items():
        tried += 1
        if not await refused(upstream, mine, "GET", f"/something/new/{object_id}"):
            reached.append(("unknown", kind.value))
    assert tried > 60
    assert reached == []


async def test_what_is_ones_own_is_reached(upstream: EverythingUpstream, projects: tuple[Project, Project]) -> None:
    mine, _ = projects
    for operation in table.ALL:
        if operation.of and operation.deletes is None:
            status, text = await mine.send(operation.method, path_of(operation, mine.objects), operation)
            assert status == 200, (operation, text)
    assert len(upstream.received) > 60


async def test_no_json_body_names_another_projects_object(
    upstream: EverythingUpstream, projects: tuple[Project, Project]
) -> None:
    mine, theirs = projects
    targets = [(each.method, path_of(each, mine.objects)) for each in table.ALL if each.body in JSON_BODIES]
    targets += [("POST", each.path.removeprefix("/v1")) for each in endpoints.ALL]
    reached = [
        (path, body)
        for method, path in targets
        for body in written_places(theirs.objects)
        if not await refused(upstream, mine, method, path, None, body)
    ]
    assert len(targets) > 35
    assert reached == []


async def test_no_form_names_another_projects_object(
    upstream: EverythingUpstream, projects: tuple[Project, Project]
) -> None:
    mine, theirs = projects
    targets = [(each.method, path_of(each, mine.objects)) for each in table.ALL if each.body in FORM_BODIES]
    reached = [
        (path, body)
        for method, path in targets
        for body, content_type in form_places(theirs.objects)
        if not await refused(upstream, mine, method, path, None, body, content_type)
    ]
    assert len(targets) > 10
    assert reached == []


async def test_no_query_names_another_projects_object(
    upstream: EverythingUpstream, projects: tuple[Project, Project]
) -> None:
    mine, theirs = projects
    reached = []
    for operation in table.ALL:
        if operation.lists is not None:
            continue
        for key, kind in KEYS.items():
            path = f"{path_of(operation, mine.objects)}?{key}={theirs.objects[kind]}"
            if not await refused(upstream, mine, operation.method, path, operation):
                reached.append((operation.label, key))
    assert reached == []


async def test_no_list_shows_another_projects_object(projects: tuple[Project, Project]) -> None:
    mine, theirs = projects
    lists = [operation for operation in table.ALL if operation.lists is not None]
    assert len(lists) >= 9
    for operation in lists:
        kind = operation.lists
        assert kind is not None
        path = path_of(operation, mine.objects)
        status, text = await mine.send("GET", path)
        listed = [each["id"] for each in json.loads(text)["data"]]
        assert (status, listed) == (200, [mine.objects[kind]]), operation
        for param in ("after", "before"):
            assert (await mine.send("GET", f"{path}?{param}={theirs.objects[kind]}"))[0] == 404


async def test_what_is_deleted_stays_out_of_reach(projects: tuple[Project, Project]) -> None:
    mine, theirs = projects
    for operation in table.ALL:
        if operation.deletes is None or len(operation.of) != 1:
            continue
        (kind,) = operation.of.values()
        assert (await theirs.send("DELETE", path_of(operation, theirs.objects)))[0] == 200
        assert (await mine.send("DELETE", path_of(operation, theirs.objects)))[0] == 404
        listing = path_of(operation, theirs.objects).rpartition("/")[0]
        assert theirs.objects[kind] not in (await theirs.send("GET", listing))[1]


async def test_few_objects_among_a_hundred_thousand_of_others_are_listed_at_once(
    world: World, upstream: EverythingUpstream, gateway: Gateway
) -> None:
    key = (await world.keys.create(project="mine", name="mine")).token
    await world.keys.create(project="theirs", name="theirs")
    mine = Project(gateway, key)
    for _ in range(3):
        assert (await mine.send("POST", "/files", MAKERS[ObjectKind.FILE]))[0] == 200
        assert (await mine.send("POST", "/vector_stores", MAKERS[ObjectKind.VECTOR_STORE]))[0] == 200
    database = await asyncpg.connect(world.stores.database_url)
    try:
        await database.execute(
            "INSERT INTO owned_objects (id, provider, credential, project, kind, created_at) "
            "SELECT kind || n, 'openai', 'default', 'theirs', kind, to_timestamp(1789900000 + 2 * n) "
            "FROM generate_series(1, 50000) AS n, unnest(ARRAY['file', 'vector_store']) AS kind"
        )
    finally:
        await database.close()
    before = upstream.begun
    for path, calls in (("/files", 0), ("/vector_stores", 3)):
        status, text = await mine.send("GET", path)
        page = json.loads(text)
        assert (status, len(page["data"]), page["has_more"]) == (200, 3, False)
        assert upstream.begun - before == calls
