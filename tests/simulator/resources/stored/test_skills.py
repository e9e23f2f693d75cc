"""A skill is an archive with a manifest, in numbered versions."""

import io
import zipfile

import pytest

from tests.simulator.client import upstream
from tests.simulator.resources.asking import ask, expect_refusal, form

_MANIFEST = b"---\nname: tides\ndescription: Reads tables.\n---\n"


def _zip() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("tides/SKILL.md", _MANIFEST)
    return made.getvalue()


@pytest.mark.parametrize(("name", "content"), [("SKILL.md", _MANIFEST), ("tides.zip", _zip())])
async def test_a_skill_is_made_of_files_or_of_an_archive(name: str, content: bytes) -> None:
    async with upstream() as up:
        status, made = await ask(up, "POST", "/skills", form(files=(name, content)))
        assert (status, made["name"], made["description"]) == (200, "tides", "Reads tables.")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"other": "1"}, "Missing required parameter: 'files'"),
        ({"files": ("a.txt", b"1")}, "The files of a skill must include SKILL.md."),
        ({"files": ("SKILL.md", b"name: a")}, "SKILL.md must have a name and a description."),
    ],
)
async def test_a_skill_without_its_manifest_is_refused(fields: dict[str, object], message: str) -> None:
    async with upstream() as up:
        await expect_refusal(up, ("POST", "/skills", form(**fields), 400, message))


async def test_versions_are_numbered_and_the_default_stays() -> None:
    async with upstream() as up:
        path = f"/skills/{(await ask(up, 'POST', '/skills', form(files=('SKILL.md', _MANIFEST))))[1]['id']}"
        _, second = await ask(up, "POST", path + "/versions", form(files=("SKILL.md", _MANIFEST)))
        assert second["version"] == "2"
        await expect_refusal(up, ("DELETE", path + "/versions/1", None, 400, "The default version of a skill"))
        await expect_refusal(up, ("GET", path + "/versions/3", None, 404, "Version '3' of skill"))
        await expect_refusal(up, ("POST", path, {}, 400, "Missing required parameter: 'default_version'"))
        assert (await ask(up, "POST", path, {"default_version": "2"}))[1]["default_version"] == "2"
        assert (await ask(up, "DELETE", path + "/versions/1"))[1]["deleted"]
