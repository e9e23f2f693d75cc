"""Run several of Tidegate's commands in one process, which loads the program once.

`python -P prepared_stores.py migrate -- keys create --project NAME --json`

It runs with the interpreter of any checkout, so it knows only the standard library and `python -m tidegate`.
"""

import runpy
import sys
from itertools import groupby


def run(arguments: list[str]) -> None:
    """Run one command. Raises SystemExit when it fails."""
    sys.argv = ["tidegate", *arguments]
    try:
        runpy.run_module("tidegate", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code:
            raise


if __name__ == "__main__":
    for between, words in groupby(sys.argv[1:], key=lambda word: word == "--"):
        if not between:
            run(list(words))
