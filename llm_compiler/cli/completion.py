"""`llmc completion`: the script that teaches a shell our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Example:  llmc completion bash >> ~/.bashrc
    """
    from llm_compiler.cli.main import cli

    kind = get_completion_class(shell)
    if kind is None:  # a version of click without that shell
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(cli, {}, "llmc", "_LLMC_COMPLETE").source())
