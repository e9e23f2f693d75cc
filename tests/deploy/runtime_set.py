"""The packages that the image has, as this environment has them: those of requirements.lock, in the locked versions."""

import re
import shutil
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
_LINE = re.compile(r"^([a-z0-9].*?) \\$", re.MULTILINE)


def locked() -> Iterator[Distribution]:
    """Yield the locked packages that this platform needs. An environment with another version is not up to date."""
    for line in _LINE.findall((ROOT / "requirements.lock").read_text()):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate():
            found = distribution(requirement.name)
            assert found.version in requirement.specifier, f"run `make .venv/.dev`: {line} is not {found.version}"
            yield found


def copy_packages(target: Path) -> None:
    """Copy the locked packages into a folder, as the image's build installs them: without bytecode."""
    for package in locked():
        for file in package.files or []:
            inside = ".." not in file.parts and file.suffix != ".pyc"
            if inside and (source := Path(str(file.locate()))).is_file():
                place = target / file
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, place)
