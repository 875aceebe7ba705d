"""Reading what a model wrote, tolerantly: code blocks, pass lists, numbers. Any text at all, and never an exception."""

from __future__ import annotations

import re

_OPEN, _CLOSE = "<code>", "</code>"
# IR and assembly write line breaks in strings as escapes: a tag at the start of a line is never part of the code.
_CLOSE_LINE = f"\n{_CLOSE}"
_FENCE = re.compile(r"^```[^\n]*\n(.*?)(?:^```|\Z)", re.M | re.S)
_PASS_LIST = re.compile(r"""(?<![\w-])-p(?:asses)?(?:[ =]{1,3}['"`]([^'"`\n]*)|=([^\s'"`]+))""")
_TWO_NUMBERS = re.compile(r"\A\W{0,20}([0-9]{1,9})(?![0-9])\W{1,20}([0-9]{1,9})(?![0-9])")


def blocks(text: str) -> tuple[list[str], list[str]]:
    """What stands in code blocks, and the texts before, between and after them, one more than blocks.

    A block ends at a closing tag at the start of a line, else at the first closing tag, else with the text. Text
    without the tag may have its code in fences, as other models write it.
    """
    inside, around, at = [], [], 0
    if _OPEN not in text:
        for fence in _FENCE.finditer(text):
            around.append(text[at : fence.start()])
            inside.append(fence[1])
            at = fence.end()
        return inside, [*around, text[at:]]
    last_line, last = text.rfind(_CLOSE_LINE), text.rfind(_CLOSE)
    while (tag := text.find(_OPEN, at)) >= 0:
        around.append(text[at:tag])
        start = tag + len(_OPEN)
        if start <= last_line:
            end = text.find(_CLOSE_LINE, start) + 1
        elif start <= last:
            end = text.find(_CLOSE, start)
        else:
            end = len(text)
        inside.append(text[start:end])
        at = min(end + len(_CLOSE), len(text))
    return inside, [*around, text[at:]]


def first_block(text: str) -> str | None:
    """The code of an answer that has one."""
    inside, _ = blocks(text)
    return inside[0] if inside else None


def pass_lists(text: str) -> tuple[str, ...]:
    """The lists of every `opt -p '...'` (or `-passes=...`), each once, in order; cut off where the text is."""
    return tuple(dict.fromkeys(quoted or bare for quoted, bare in _PASS_LIST.findall(text)))


def after_pass_list(text: str) -> str:
    """What follows the first pass list."""
    match = _PASS_LIST.search(text)
    return text[match.end() :] if match else ""


def named_numbers(text: str, noun: str) -> list[int]:
    """The numbers that follow a noun such as `binary size`."""
    found = re.findall(rf"{noun}(?: is| of|:|=)? {{0,3}}([0-9]{{1,9}})(?![0-9])", text, re.I)
    return [int(number) for number in found]


def two_numbers(text: str) -> tuple[int | None, int | None]:
    """The two bare numbers that a text starts with."""
    match = _TWO_NUMBERS.match(text)
    return (int(match[1]), int(match[2])) if match else (None, None)
