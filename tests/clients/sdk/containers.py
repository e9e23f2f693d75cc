"""The rows of containers and skills."""

import io
import zipfile
from typing import Any

from openai import AsyncOpenAI

from tests.clients.sdk.methods import Made, Row, named

MANIFEST = "---\nname: tides\ndescription: Reads tide tables.\n---\nRead the table.\n"


async def _container(client: AsyncOpenAI) -> str:
    return (await client.containers.create(name="c")).id


async def _create(client: AsyncOpenAI, made: Made) -> Any:
    container = await client.containers.create(name="c", file_ids=[await made.file()], memory_limit="4g")
    assert (container.name, container.status, container.memory_limit) == ("c", "running", "4g")
    return container


async def _retrieve(client: AsyncOpenAI, _: Made) -> Any:
    container_id = await _container(client)
    container = await client.containers.retrieve(container_id)
    assert (container.id, container.object) == (container_id, "container")
    return container


async def _list(client: AsyncOpenAI, _: Made) -> Any:
    container_id = await _container(client)
    page = await client.containers.list(limit=1)
    assert [container.id for container in page.data] == [container_id]
    return page


async def _delete(client: AsyncOpenAI, _: Made) -> Any:
    container_id = await _container(client)
    await client.containers.delete(container_id)
    assert container_id not in [one.id async for one in client.containers.list()]


async def _file(client: AsyncOpenAI) -> tuple[str, str]:
    container_id = await _container(client)
    file = await client.containers.files.create(container_id, file=named("a.txt", "abc"))
    return container_id, file.id


async def _files_create(client: AsyncOpenAI, made: Made) -> Any:
    container_id = await _container(client)
    copied = await client.containers.files.create(container_id, file_id=await made.file(text="12"))
    assert (copied.bytes, copied.container_id) == (2, container_id)
    file = await client.containers.files.create(container_id, file=named("a.txt", "abc"))
    assert (file.bytes, file.path.rpartition("/")[2], file.source) == (3, "a.txt", "user")
    return file


async def _files_retrieve(client: AsyncOpenAI, _: Made) -> Any:
    container_id, file_id = await _file(client)
    file = await client.containers.files.retrieve(file_id, container_id=container_id)
    assert file.id == file_id
    return file


async def _files_list(client: AsyncOpenAI, _: Made) -> Any:
    container_id, file_id = await _file(client)
    page = await client.containers.files.list(container_id)
    assert [file.id for file in page.data] == [file_id]
    return page


async def _files_delete(client: AsyncOpenAI, _: Made) -> Any:
    container_id, file_id = await _file(client)
    await client.containers.files.delete(file_id, container_id=container_id)
    assert (await client.containers.files.list(container_id)).data == []


async def _files_content(client: AsyncOpenAI, _: Made) -> Any:
    container_id, file_id = await _file(client)
    content = await client.containers.files.content.retrieve(file_id, container_id=container_id)
    assert content.content == b"abc"


async def _skill(client: AsyncOpenAI) -> str:
    return (await client.skills.create(files=[named("SKILL.md", MANIFEST)])).id


async def _skills_create(client: AsyncOpenAI, _: Made) -> Any:
    skill = await client.skills.create(files=[named("SKILL.md", MANIFEST), named("a.txt", "abc")])
    assert (skill.name, skill.description, skill.latest_version) == ("tides", "Reads tide tables.", "1")
    return skill


async def _skills_retrieve(client: AsyncOpenAI, _: Made) -> Any:
    skill_id = await _skill(client)
    skill = await client.skills.retrieve(skill_id)
    assert (skill.id, skill.default_version) == (skill_id, "1")
    return skill


async def _skills_update(client: AsyncOpenAI, _: Made) -> Any:
    skill_id = await _skill(client)
    await client.skills.versions.create(skill_id, files=[named("SKILL.md", MANIFEST)])
    skill = await client.skills.update(skill_id, default_version="2")
    assert (skill.default_version, skill.latest_version) == ("2", "2")
    return skill


async def _skills_list(client: AsyncOpenAI, _: Made) -> Any:
    skill_id = await _skill(client)
    page = await client.skills.list(limit=1)
    assert [skill.id for skill in page.data] == [skill_id]
    return page


async def _skills_delete(client: AsyncOpenAI, _: Made) -> Any:
    deleted = await client.skills.delete(await _skill(client))
    assert deleted.deleted
    return deleted


async def _skills_content(client: AsyncOpenAI, _: Made) -> Any:
    content = await client.skills.content.retrieve(await _skill(client))
    with zipfile.ZipFile(io.BytesIO(content.content)) as archive:
        assert archive.read("SKILL.md").decode() == MANIFEST


async def _version(client: AsyncOpenAI) -> tuple[str, str]:
    skill_id = await _skill(client)
    version = await client.skills.versions.create(skill_id, files=[named("SKILL.md", MANIFEST)])
    return skill_id, version.version


async def _versions_create(client: AsyncOpenAI, _: Made) -> Any:
    skill_id = await _skill(client)
    version = await client.skills.versions.create(skill_id, files=[named("SKILL.md", MANIFEST)], default=True)
    assert (version.skill_id, version.version) == (skill_id, "2")
    return version


async def _versions_retrieve(client: AsyncOpenAI, _: Made) -> Any:
    skill_id, number = await _version(client)
    version = await client.skills.versions.retrieve(number, skill_id=skill_id)
    assert version.version == number
    return version


async def _versions_list(client: AsyncOpenAI, _: Made) -> Any:
    skill_id, _number = await _version(client)
    page = await client.skills.versions.list(skill_id)
    assert [version.version for version in page.data] == ["2", "1"]
    return page


async def _versions_delete(client: AsyncOpenAI, _: Made) -> Any:
    skill_id, number = await _version(client)
    deleted = await client.skills.versions.delete(number, skill_id=skill_id)
    assert (deleted.deleted, deleted.version) == (True, "2")
    return deleted


async def _versions_content(client: AsyncOpenAI, _: Made) -> Any:
    skill_id, number = await _version(client)
    content = await client.skills.versions.content.retrieve(number, skill_id=skill_id)
    assert content.content.startswith(b"PK")


ROWS: dict[str, Row] = {
    "containers.create": _create,
    "containers.retrieve": _retrieve,
    "containers.list": _list,
    "containers.delete": _delete,
    "containers.files.create": _files_create,
    "containers.files.retrieve": _files_retrieve,
    "containers.files.list": _files_list,
    "containers.files.delete": _files_delete,
    "containers.files.content.retrieve": _files_content,
    "skills.create": _skills_create,
    "skills.retrieve": _skills_retrieve,
    "skills.update": _skills_update,
    "skills.list": _skills_list,
    "skills.delete": _skills_delete,
    "skills.content.retrieve": _skills_content,
    "skills.versions.create": _versions_create,
    "skills.versions.retrieve": _versions_retrieve,
    "skills.versions.list": _versions_list,
    "skills.versions.delete": _versions_delete,
    "skills.versions.content.retrieve": _versions_content,
}
