"""Options that several commands take."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


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
