"""Writes an archive of a file system with Python and no shell, of the packages that such an image has.

Run in the slim stand-in: `python3 shell_less.py FILE`. There is no bytecode of the standard library, as in the image
that it stands in for.
"""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

PACKAGES = (
    "base-files", "ca-certificates", "libbz2-1.0", "libc6", "libcrypt1",
    "libdb5.3", "libexpat1", "libffi8", "libgcc-s1", "liblzma5",
    "libncursesw6", "libnsl2", "libpython3.11-minimal", "libpython3.11-stdlib", "libreadline8",
    "libsqlite3-0", "libssl3", "libstdc++6", "libtinfo6", "libtirpc3",
    "libuuid1", "netbase", "python3-minimal", "python3.11-minimal", "tzdata",
    "zlib1g",
)  # fmt: skip
OTHERS = ("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/ssl/certs/ca-certificates.crt", "/etc/ld.so.cache")
LEFT_OUT = ("/usr/share/doc", "/usr/share/man", "/usr/share/lintian", "/usr/share/locale", "/usr/share/ca-certificates")


def main() -> None:
    """Write the archive."""
    paths = {*OTHERS, "/lib", "/lib64", "/bin", "/sbin", "/usr/bin/python3", "/tmp"}  # noqa: S108  # a folder of the image
    for package in PACKAGES:
        listed = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True, check=False).stdout
        paths.update(_real(Path(line)) for line in listed.splitlines() if line)
    with tarfile.open(sys.argv[1], "w") as archive:
        for path in sorted(paths):
            if os.path.lexists(path) and not path.startswith(LEFT_OUT) and not path.endswith(".pyc"):
                archive.add(path, recursive=False)


def _real(path: Path) -> str:
    """Return the path without links on the way to it: /lib/x is /usr/lib/x."""
    return str(path.parent.resolve() / path.name)


if __name__ == "__main__":
    main()
