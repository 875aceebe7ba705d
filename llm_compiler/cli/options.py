"""Options that several commands take."""

from __future__ import annotations

import importlib.metadata
import os
import shlex
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
MODEL_HELP = (
    "A folder, a Hugging Face id in the local cache, or openai:URL (openai:URL#NAME) for a server.  "
    "[default: the model that ships]"
)
_REST = "llm_compiler.rest"


class CommandWithRest(click.Command):
    """A command that keeps what follows `--` away from click: it is for another program."""

    def __init__(self, *arguments: Any, rest: str, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._rest = rest

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the rest off, then go on as ever."""
        if "--" in args:
            at = args.index("--")
            ctx.meta[_REST] = args[at + 1 :]
            args = args[:at]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Name the rest in the usage line."""
        return [*super().collect_usage_pieces(ctx), f"[-- {self._rest}...]"]


def install_hint(extra: str) -> str:
    """The command that installs what an extra of this package brings, for whoever has the package already."""
    marks = (f"extra == '{extra}'", f'extra == "{extra}"')
    wheels = [
        requirement.partition(";")[0].strip()
        for requirement in importlib.metadata.requires("llm-compiler") or ()
        if requirement.endswith(marks) and not requirement.startswith("llm-compiler")
    ]
    return f"{sys.executable} -m pip install {shlex.join(wheels)}  (the extra [{extra}])"


def rest_of(ctx: click.Context) -> list[str]:
    """What followed `--`."""
    rest: list[str] = ctx.meta.get(_REST, [])
    return rest


def llvm_option(command: Command) -> Command:
    """`--llvm`: which LLVM to use."""
    return click.option(
        "--llvm",
        metavar="PREFIX|VERSION",
        help="Another LLVM than the 17.0.6 that came with this package: a prefix such as /usr/lib/llvm-19, or 19 "
        "for the system's. The environment variable LLMC_LLVM does the same.",
    )(command)


def json_option(command: Command) -> Command:
    """`--json`: machine-readable output."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")(command)


def jobs_option(command: Command) -> Command:
    """`--jobs`: how many workers."""
    return click.option(
        "-j",
        "--jobs",
        type=click.IntRange(1, 1024),
        default=lambda: len(os.sched_getaffinity(0)),
        help="Workers in parallel.  [default: one for each core]",
    )(command)
