"""Writes the bill of materials of the image, in the CycloneDX format: each installed package, version and licence.

Run in the image's build: `python3 bill_of_materials.py PACKAGES FILE VERSION`.
"""

import json
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any


def bill(packages: Path, version: str) -> dict[str, Any]:
    """Return the bill of the packages in this folder, as a document of CycloneDX 1.6."""
    found = sorted(distributions(path=[str(packages)]), key=lambda package: package.name.lower())
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": _component("tidegate", version, "Apache-2.0") | {"type": "application"}},
        "components": [_component(package.name, package.version, _licence(package)) for package in found],
    }


def _component(name: str, version: str, licence: str | None) -> dict[str, Any]:
    purl = f"pkg:pypi/{name.lower().replace('_', '-').replace('.', '-')}@{version}"
    component = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    return component | ({"licenses": [{"license": {"name": licence}}]} if licence else {})


def _licence(package: Distribution) -> str | None:
    """Return what the package says in the newest of three places."""
    metadata = package.metadata
    classifiers = [line for line in metadata.get_all("Classifier") or [] if line.startswith("License ::")]
    stated = (
        metadata["License-Expression"],
        *(line.rpartition(" :: ")[2] for line in classifiers),
        metadata["License"],
    )
    return next((text.splitlines()[0] for text in stated if text), None)


if __name__ == "__main__":
    folder, file, release = sys.argv[1:]
    Path(file).write_text(json.dumps(bill(Path(folder), release), indent=1))
