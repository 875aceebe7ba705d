"""`llmc lift`: machine code to IR, and how far each function of it is proven."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_compiler.cli.emulate import Asking, model_options, or_one_line
from llm_compiler.cli.options import json_option, llvm_option

if TYPE_CHECKING:
    from llm_compiler.inference.lift import FunctionLift, Lifted, Proposal
    from llm_compiler.inference.model import Model
    from llm_compiler.tasks.disassembly import Question

_LEVELS = ("exact", "same behaviour", "lowers again", "not")


@click.command()
@click.argument("file", type=click.Path(allow_dash=True, readable=False))
@click.option("-o", "--output", required=True, metavar="OUT.ll", help="What to write; - is standard output.")
@click.option("--target", type=click.Choice(["x86-64", "aarch64"]), help="[default: what the file is for]")
@click.option("--function", "only", metavar="NAME", multiple=True, help="Only this; may be given many times.")
@click.option(
    "--require",
    type=click.Choice(_LEVELS),
    default="exact",
    show_default=True,
    help="Exit with 0 only if every function is proven so far.",
)
@model_options
@json_option
@llvm_option
@click.pass_context
def lift(
    ctx: click.Context,
    file: str,
    output: str,
    target: Any,
    only: tuple[str, ...],
    require: Any,
    asking: Asking,
    as_json: bool,
    llvm: str | None,
) -> None:
    """Lift assembly (.s), an object (.o) or an archive (.a) to LLVM-IR, function by function.

    Each answer of the model is compiled again by the real compiler. Levels: exact, it becomes the same assembly, or an
    object that reads the same; same behaviour, on all inputs that were tried; lowers again, valid IR of another code;
    not. Only `exact` is proven. What was not lifted is declared in OUT.ll. Nothing of FILE is run.

    \b
    Examples:
      llmc lift max.o -o max.ll --samples 16
      gcc -O2 -S max.c -o - | llmc lift - -o max.ll --require 'lowers again'
    """

    def run() -> Lifted:
        from llm_compiler.cli.emulate import compiler, read_input
        from llm_compiler.cli.files import write_output
        from llm_compiler.cli.progress import Bar
        from llm_compiler.inference import lift as lifting
        from llm_compiler.llvm.functions import UnreadableError, read_functions

        contents = read_input(file)
        toolchain, known = compiler(llvm)
        try:
            listing = read_functions(contents, toolchain, target)
        except UnreadableError as error:
            raise UnreadableError(f"{file}: {error}") from None
        asked = [one for one in lifting.asked(listing) if not only or one.name in only]
        if missing := set(only) - {one.name for one in asked}:
            raise UnreadableError(f"{file}: no function {', '.join(sorted(missing))}")
        answering = asking.opened()
        with Bar(len(asked), "functions") as bar:

            def told(one: FunctionLift) -> None:
                bar.advance()
                bar.say(f"{one.name}: {one.level}")

            lifted = lifting.lift(
                asked,
                _Proposals(answering, asking),
                toolchain,
                known,
                target=listing.architecture,
                budget=lifting.Budget(asking.samples, asking.seconds or float("inf")),
                on_function=told,
            )
        if output == "-":
            click.echo(lifted.text, nl=False)
        else:
            write_output(Path(output), lifted.text.encode(errors="surrogateescape"))
        return lifted

    lifted = or_one_line(run)
    from llm_compiler.inference.lift import reached, table

    to_error = output == "-"
    if as_json:
        click.echo(lifted.json(), err=to_error)
    else:
        _print(table(lifted), err=to_error)
    ctx.exit(0 if reached(lifted, require) else 1)


class _Proposals:
    """A model's answers to a question: the most probable first, then what is drawn."""

    def __init__(self, model: Model, asking: Asking) -> None:
        self._model, self._asking = model, asking

    def __call__(self, question: Question) -> Iterator[Proposal]:
        from llm_compiler.inference.lift import Proposal
        from llm_compiler.inference.model import How, PromptTooLongError
        from llm_compiler.tasks import disassembly

        prompt = disassembly.prompt(question, self._model.dialect)
        asking = self._asking
        end = time.monotonic() + asking.seconds if asking.seconds else None
        for how in (How(), How(asking.samples - 1, "sample", asking.temperature, seed=asking.seed)):
            if not how.samples:
                return
            left = None if end is None else max(0.1, end - time.monotonic())
            limited = replace(how, seconds=left)
            try:
                for answer in self._model.write(prompt, limited):
                    whole = answer.reason in ("end", "stop")
                    reason = "" if whole else f"cut off by its {answer.reason}"
                    yield Proposal(answer.text if whole else None, reason, answer.seconds, answer.tokens)
            except PromptTooLongError as error:
                yield Proposal(None, f"over the context: {error}")
                return


def _print(rows: list[tuple[str, str, str]], *, err: bool) -> None:
    widths = [max(len(row[column]) for row in [*rows, ("function", "level", "")]) for column in (0, 1)]
    click.echo(f"{'function':{widths[0]}}  {'level':{widths[1]}}", err=err)
    for name, level, said in rows:
        click.echo(f"{name:{widths[0]}}  {level:{widths[1]}}  {said}".rstrip(), err=err)
    counts = {level: sum(row[1] == level for row in rows) for level in _LEVELS}
    click.echo(", ".join(f"{count} {level}" for level, count in counts.items() if count), err=err)
