"""Skills and their versions: `/v1/skills`. A version is an archive of files."""

import io
import re
import zipfile
from collections.abc import Sequence

from tidegate.simulator.answers.reply import Json
from tidegate.simulator.checks import refusals
from tidegate.simulator.refusal import Refusal, invalid
from tidegate.simulator.resources import paging
from tidegate.simulator.resources.calls import ResourceAnswer, ResourceCall, ResourceRoute, answer
from tidegate.simulator.resources.multipart import Part
from tidegate.simulator.resources.objects import StoredKind
from tidegate.simulator.resources.organization import Collection, Record

_MANIFEST = "SKILL.md"
_FIELD = re.compile(r"^(name|description):\s*(.+?)\s*$", re.MULTILINE)
_MOST_MANIFEST = 64 * 1024
_FIXED_DATE = (2026, 1, 1, 0, 0, 0)


def _make(call: ResourceCall, _: Json, skill_id: str) -> Json:
    version = _add_version(call, skill_id)
    return {
        "id": skill_id, "object": "skill", "name": version.body["name"], "description": version.body["description"],
        "created_at": int(call.now), "default_version": "1", "latest_version": "1",
    }  # fmt: skip


def _change(call: ResourceCall, record: Record, fields: Json) -> None:
    wanted = fields.get("default_version")
    if wanted is None:
        raise refusals.missing("default_version")
    _version(call, record, str(wanted))
    record.body["default_version"] = str(wanted)


_SKILLS = StoredKind(
    label="skills", path="/skills", parameter="skill_id", name="Skill", prefix="skill_", make=_make, change=_change
)


def _versions(call: ResourceCall, skill_id: str) -> Collection:
    return call.organization.collection("skills.versions", skill_id)


def _add_version(call: ResourceCall, skill_id: str) -> Record:
    parts = call.files("files")
    if not parts:
        raise refusals.missing("files")
    content, manifest = _archive(parts)
    about = dict(_FIELD.findall(manifest))
    if not about.get("name") or not about.get("description"):
        raise invalid(f"{_MANIFEST} must have a name and a description.", param="files")
    numbers = [int(record.body["version"]) for record in _versions(call, skill_id)]
    body = {
        "id": call.make_id("skillver_"), "object": "skill.version", "skill_id": skill_id, "created_at": int(call.now),
        "version": str(max(numbers, default=0) + 1), "name": about["name"], "description": about["description"],
    }  # fmt: skip
    return _versions(call, skill_id).add(Record(id=body["id"], body=body, content=content))


def _archive(parts: Sequence[Part]) -> tuple[bytes, str]:
    """Return the files as one archive, and the text of the manifest. Raises Refusal where there is none."""
    if len(parts) == 1 and zipfile.is_zipfile(io.BytesIO(parts[0].data)):
        content = bytes(parts[0].data)
    else:
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            for part in parts:
                archive.writestr(zipfile.ZipInfo(part.filename, _FIXED_DATE), bytes(part.data))
        content = made.getvalue()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            if name.rpartition("/")[2] == _MANIFEST:
                with archive.open(name) as file:
                    return content, file.read(_MOST_MANIFEST).decode("utf-8", "replace")
    raise invalid(f"The files of a skill must include {_MANIFEST}.", param="files")


def _version(call: ResourceCall, skill: Record, number: str) -> Record:
    for record in _versions(call, skill.id):
        if record.body["version"] == number:
            return record
    raise Refusal(404, f"Version '{number}' of skill '{skill.id}' not found.")


def _named_version(call: ResourceCall) -> Record:
    return _version(call, _SKILLS.find(call), call.parameters["version"])


def _create_version(call: ResourceCall) -> ResourceAnswer:
    skill = _SKILLS.find(call)
    version = _add_version(call, skill.id)
    skill.body["latest_version"] = version.body["version"]
    if str(call.fields().get("default")).lower() == "true":
        skill.body["default_version"] = version.body["version"]
    return answer(version.body)


def _list_versions(call: ResourceCall) -> ResourceAnswer:
    return answer(paging.page(_versions(call, _SKILLS.find(call).id), call.query))


def _retrieve_version(call: ResourceCall) -> ResourceAnswer:
    return answer(_named_version(call).body)


def _delete_version(call: ResourceCall) -> ResourceAnswer:
    skill, version = _SKILLS.find(call), _named_version(call)
    if skill.body["default_version"] == version.body["version"]:
        raise invalid("The default version of a skill cannot be deleted.")
    _versions(call, skill.id).remove(version.id)
    return answer({
        "id": version.id, "object": "skill.version.deleted", "deleted": True, "version": version.body["version"]
    })  # fmt: skip


def _content(call: ResourceCall) -> ResourceAnswer:
    skill = _SKILLS.find(call)
    return _zip(_version(call, skill, skill.body["default_version"]))


def _version_content(call: ResourceCall) -> ResourceAnswer:
    return _zip(_named_version(call))


def _zip(version: Record) -> ResourceAnswer:
    return ResourceAnswer(content=version.content, content_type="application/zip")


_VERSIONS = "/skills/{skill_id}/versions"
ROUTES: tuple[ResourceRoute, ...] = (
    *_SKILLS.routes("create", "list", "retrieve", "update", "delete"),
    *(
        ResourceRoute(label=f"skills.{label}", method=method, path=path, handler=handler)
        for label, method, path, handler in (
            ("content.retrieve", "GET", "/skills/{skill_id}/content", _content),
            ("versions.create", "POST", _VERSIONS, _create_version),
            ("versions.list", "GET", _VERSIONS, _list_versions),
            ("versions.retrieve", "GET", _VERSIONS + "/{version}", _retrieve_version),
            ("versions.delete", "DELETE", _VERSIONS + "/{version}", _delete_version),
            ("versions.content.retrieve", "GET", _VERSIONS + "/{version}/content", _version_content),
        )
    ),
)
