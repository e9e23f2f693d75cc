"""Find sentences that are hard to read in the documents: too long, or worded as a riddle."""

import re
from collections.abc import Iterator

MAX_WORDS = 25

RIDDLE_WORDS = (
    "whoever",
    "nobody",
    "somebody",
    "befall",
    "befalls",
    "befell",
    "who asks",
    "what is kept",
    "another's",
    "none is made",
)
"""Words that hide the actor or the thing: name the caller, the gateway, the process, the response instead."""

_FENCE = re.compile(r"^ *(```|~~~).*?^ *\1[^\n]*$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_URL = re.compile(r"\b(?:https?|wss?)://\S+")
_CODE = re.compile(r"`[^`]+`")
_LIST_ITEM = re.compile(r"^ *(?:[-*+]|\d+\.) +")
_BLOCK_START = re.compile(r"^ *(?:#|[-*+] |\d+\. |>)")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')*_]*\s+(?=[\"'(*_]*[A-Z0-9])")
_RIDDLE = re.compile(r"\b(?:" + "|".join(map(re.escape, RIDDLE_WORDS)) + r")\b", re.IGNORECASE)


def long_sentences(markdown: str) -> Iterator[str]:
    """Yield the sentences of more than 25 words; code blocks, tables and addresses do not count.

    A code span is one word. A colon or a semicolon ends no sentence.
    """
    for block in _blocks(_prose(markdown)):
        for sentence in _SENTENCE_END.split(block):
            if len(_words(sentence)) > MAX_WORDS:
                yield sentence.strip()


def riddles(text: str) -> Iterator[str]:
    """Yield each word of the stop list with the line that it stands in; code blocks and code spans do not count."""
    for line in _CODE.sub(" Code ", _without_code(text)).splitlines():
        for found in _RIDDLE.finditer(line):
            yield f"{found[0]}: {line.strip()}"


def _without_code(markdown: str) -> str:
    return _URL.sub("address", _COMMENT.sub("", _FENCE.sub("\n", markdown)))


def _prose(markdown: str) -> str:
    return _CODE.sub(" Code ", _LINK.sub(r"\1", _without_code(markdown)))


def _blocks(prose: str) -> Iterator[str]:
    """Yield each heading, paragraph and list item on one line; leave table rows out."""
    block: list[str] = []
    for line in [*prose.splitlines(), ""]:
        table_row = line.lstrip().startswith("|")
        if block and (not line.strip() or table_row or _BLOCK_START.match(line) or block[0].startswith("#")):
            yield " ".join(block)
            block = []
        if line.strip() and not table_row:
            block.append(_LIST_ITEM.sub("", line).strip())


def _words(sentence: str) -> list[str]:
    return re.findall(r"[^\s·|]*\w[^\s·|]*", sentence)
