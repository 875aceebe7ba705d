"""The entry point: which command is where, and how errors look."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import NoReturn

import click

_COMMANDS = {
    "optimize": "llm_compiler.cli.optimize:optimize",
    "emulate": "llm_compiler.cli.emulate:emulate",
    "lift": "llm_compiler.cli.lift:lift",
    "ask": "llm_compiler.cli.emulate:ask",
    "passes": "llm_compiler.cli.passes:passes",
    "corpus": "llm_compiler.cli.corpus:corpus",
    "tune": "llm_compiler.cli.tune:tune",
    "passlist": "llm_compiler.cli.passlist:passlist",
    "portfolio": "llm_compiler.cli.tune:portfolio",
    "data": "llm_compiler.cli.data:data",
    "train": "llm_compiler.cli.train:train",
    "finetune": "llm_compiler.cli.finetune:finetune",
    "evaluate": "llm_compiler.cli.evaluate:evaluate",
    "doctor": "llm_compiler.cli.doctor:doctor",
    "completion": "llm_compiler.cli.completion:completion",
}


class _Lazy(click.Group):
    """Imports a command when it is called, so that `--help` and short commands start quickly."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="llm-compiler", prog_name="llmc")
def cli() -> None:
    """Object files smaller than `clang -Oz` makes them, checked by the compiler itself.

    \b
    Example:  llmc optimize hash_table.c -o hash_table.o -- -I include -DNDEBUG
    """


def main() -> NoReturn:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that `finally` runs
    try:
        answer = cli(prog_name="llmc", standalone_mode=False)
        code = answer if isinstance(answer, int) else 0  # what a command gave to `ctx.exit`
    except click.exceptions.Exit as exit_:
        code = exit_.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("llmc: interrupted", err=True)
        code = 130
    except BrokenPipeError:  # `llmc passes | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        if os.environ.get("LLMC_TRACEBACK"):
            raise
        click.echo(f"llmc: {_one_line(error)}", err=True)
        code = 1
    sys.exit(code)


def _one_line(error: Exception) -> str:
    from llm_compiler.llvm.library import LLVMError
    from llm_compiler.llvm.passes import PassListError
    from llm_compiler.llvm.toolchain import ToolchainError

    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, LLVMError | PassListError | ToolchainError | OSError):
        return text
    return f"internal error: {type(error).__name__}: {text} (LLMC_TRACEBACK=1 shows where)"
