"""Keep a crashed process from writing its memory, and the keys in it, to a core file."""

import sys


def forbid_core_files() -> None:
    """Set the limit of core files to 0, for this process and those that it starts. Call it first.

    A program that the kernel starts instead (`core_pattern` with a pipe) is told of the limit. systemd-coredump and
    apport keep to it.
    """
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415  # Windows has no such module

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
