"""`llmc emulate` and `llmc ask`: what a model says, beside what is true, or raw."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from llm_compiler.cli.options import MODEL_HELP, CommandWithRest, json_option, llvm_option, rest_of

if TYPE_CHECKING:
    from llm_compiler.inference.examine import Examined, Posed
    from llm_compiler.inference.model import How, Model
    from llm_compiler.llvm.frontend import Source
    from llm_compiler.tasks.task import Pieces

Answer = TypeVar("Answer")
_SEPARATOR = "-" * 72


@dataclass(frozen=True)
class Asking:
    """Which model is asked, and how: what `model_options` makes of a command line."""

    model: str | None
    samples: int
    temperature: float
    seed: int
    seconds: float | None
    threads: int | None

    def opened(self) -> Model:
        """The model."""
        from llm_compiler.inference.model import open_model

        return open_model(self.model, threads=self.threads)

    def how(self, method: Any = None) -> How:
        """As models take it: greedily for one sample, unless a method is named."""
        from llm_compiler.inference.model import How

        method = method or ("greedy" if self.samples == 1 else "sample")
        return How(self.samples, method, self.temperature, 1.0, self.seed, None, self.seconds)


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How a model is named and asked; the command has it as `asking`."""

    @functools.wraps(command)
    def called(*arguments: Any, **given: Any) -> Any:
        asking = Asking(**{one.name: given.pop(one.name) for one in fields(Asking)})
        return command(*arguments, asking=asking, **given)

    for option in (
        click.option("--threads", type=click.IntRange(1), help="Of the model.  [default: one for each core]"),
        click.option("--seconds", type=click.FloatRange(0, min_open=True), help="For one question, at most."),
        click.option("--seed", type=int, default=0, show_default=True, help="The same seed draws the same samples."),
        click.option("--temperature", type=click.FloatRange(0, min_open=True), default=0.8, show_default=True),
        click.option("--samples", type=click.IntRange(1, 1000), default=1, show_default=True, help="Answers to draw."),
        click.option("--model", metavar="NAME", help=MODEL_HELP),
    ):
        called = option(called)
    return called


@click.command(cls=CommandWithRest, rest="CLANG_FLAGS")
@click.argument("file", type=click.Path(allow_dash=True, readable=False))
@click.option("--passes", required=True, metavar="LIST", help="As for `opt -p`: 'function(sroa),module(globaldce)'.")
@click.option("--emit", type=click.Choice(["ir", "asm"]), default="ir", show_default=True, help="What is asked for.")
@click.option("--check", is_flag=True, help="Exit with 1 unless an answer is exact.")
@click.option("-x", "language", type=click.Choice(["c", "c++", "ir"]), help="Language, where the suffix does not say.")
@model_options
@json_option
@llvm_option
@click.pass_context
def emulate(
    ctx: click.Context,
    file: str,
    passes: str,
    emit: Literal["ir", "asm"],
    check: bool,
    language: Any,
    asking: Asking,
    as_json: bool,
    llvm: str | None,
) -> None:
    """Have a model do what `opt -p` does, and compare with the real compiler.

    FILE is C, C++ or LLVM-IR. Printed are the differences and a verdict: exact; normalised (the same but for names and
    order); verifies (valid IR, another program text); parses; broken. The real compiler's result is the truth.

    \b
    Examples:
      llmc emulate max.ll --passes 'function(sroa,instcombine)'
      llmc emulate max.c --passes 'default<Oz>' --emit asm --samples 4 --check -- -DNDEBUG
    """

    def run() -> tuple[Posed, list[Examined]]:
        from llm_compiler.inference.examine import Examination

        answering = asking.opened()
        toolchain, known = compiler(llvm)
        with Examination(toolchain, known) as examination:
            posed = examination.pose(_module(file, language, rest_of(ctx), toolchain), passes, emit, answering.dialect)
            return posed, list(examination.ask(posed, answering, asking.how()))

    posed, found = or_one_line(run)
    good = any(one.verdict.ok and one.whole for one in found)
    if as_json:
        click.echo(json.dumps({"passes": posed.question.passes, "answers": [_as_json(one) for one in found]}, indent=1))
    else:
        for number, one in enumerate(found, 1):
            for line in _shown(number, len(found), one):
                click.echo(line)
    ctx.exit(1 if check and not good else 0)


def _shown(number: int, count: int, one: Examined) -> Iterator[str]:
    head = f"answer {number} of {count}: " if count > 1 else ""
    cut = "" if one.whole else f", cut off by its {one.answer.reason}"
    verdict = one.verdict
    yield click.style(f"{head}{verdict.reason}{cut}", bold=True, fg="green" if verdict.ok and one.whole else "red")
    if verdict.detail:
        yield verdict.detail
    for what, (said, real) in (("instructions", verdict.instructions), ("bytes", verdict.size)):
        yield f"{what}: {'none' if said is None else said} said, {real} really"
    if verdict.reason == "exact":
        yield one.truth.rstrip("\n")
        return
    for line in difflib.unified_diff(one.truth.splitlines(), one.said.splitlines(), "compiler", "model", lineterm=""):
        yield click.style(line, fg={"+": "green", "-": "red"}.get(line[:1]))


def _as_json(one: Examined) -> dict[str, Any]:
    verdict = one.verdict
    return {
        "verdict": verdict.reason,
        "ok": verdict.ok and one.whole,
        "ended by": one.answer.reason,
        "detail": verdict.detail,
        "instructions": {"said": verdict.instructions[0], "real": verdict.instructions[1]},
        "size": {"said": verdict.size[0], "real": verdict.size[1]},
        "answer": one.answer.text,
        "truth": one.truth,
        "log-probability": one.answer.logprob,
        "seconds": round(one.answer.seconds, 3),
    }


@click.command(cls=CommandWithRest, rest="CLANG_FLAGS")
@click.argument("task", type=click.Choice(["flag_tuning", "emulation", "disassembly", "ir_modeling"]))
@click.argument("file", type=click.Path(allow_dash=True, readable=False))
@click.option("--passes", metavar="LIST", help="For emulation: as for `opt -p`.")
@click.option("--emit", type=click.Choice(["ir", "asm"]), default="ir", show_default=True, help="For emulation.")
@click.option("--function", metavar="NAME", help="For disassembly: which.  [default: the first]")
@click.option("--method", type=click.Choice(["greedy", "sample", "priority"]), help="[default: greedy for one sample]")
@click.option("--free", is_flag=True, help="Of flag tuning: whole answers, held to no grammar.")
@click.option("--prompt-only", is_flag=True, help="Print the prompt, ask nobody.")
@click.option("-x", "language", type=click.Choice(["c", "c++", "ir"]), help="Language, where the suffix does not say.")
@model_options
@json_option
@llvm_option
@click.pass_context
def ask(
    ctx: click.Context,
    task: str,
    file: str,
    passes: str | None,
    emit: Literal["ir", "asm"],
    function: str | None,
    method: Any,
    free: bool,
    prompt_only: bool,
    language: Any,
    asking: Asking,
    as_json: bool,
    llvm: str | None,
) -> None:
    """Print the prompt of a task and a model's raw answers, which nobody has checked: for people who study models.

    FILE is C, C++ or LLVM-IR; for disassembly assembly, an object or an archive; for ir_modeling any text.

    \b
    Examples:
      llmc ask flag_tuning max.c --samples 8
      llmc ask emulation max.ll --passes 'function(sroa)' --free
      llmc ask disassembly max.o --function max
    """
    if task == "emulation" and passes is None:
        raise click.UsageError("emulation needs --passes")

    def run() -> dict[str, Any]:
        answering = asking.opened()
        toolchain, known = compiler(llvm)
        prompt: Pieces
        if task == "ir_modeling":
            prompt = ((read_input(file).decode(errors="replace"), False),)
        elif task == "disassembly":
            prompt = _disassembly(file, function, toolchain, answering)
        else:
            module = _module(file, language, rest_of(ctx), toolchain)
            if task == "emulation":
                from llm_compiler.inference.examine import Examination

                with Examination(toolchain, known) as examination:
                    prompt = examination.pose(module, passes or "", emit, answering.dialect).prompt
            else:
                from llm_compiler.inference.asked import Asked

                with Asked(answering, known, toolchain.library, "ship", asking.how(method)) as asked:
                    prompt = asked.prompt(module)
        text = "".join(piece for piece, _ in prompt)
        if prompt_only:
            return {"prompt": text, "answers": []}
        how = asking.how(method)
        lists = known if task == "flag_tuning" and not free else None
        return {"prompt": text, "answers": [vars(one) for one in answering.write(prompt, how, lists)]}

    found = or_one_line(run)
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    click.echo(click.style(found["prompt"], dim=True))
    for number, answer in enumerate(found["answers"], 1):
        said = "" if answer["logprob"] is None else f", log-probability {answer['logprob']:.2f}"
        click.echo(f"{_SEPARATOR}\nanswer {number}: {answer['tokens']} tokens{said}, ended by: {answer['reason']}")
        click.echo(answer["text"])


def _disassembly(file: str, function: str | None, toolchain: Any, model: Model) -> Pieces:
    from llm_compiler.inference.lift import asked
    from llm_compiler.llvm.functions import read_functions
    from llm_compiler.tasks import disassembly

    functions = asked(read_functions(read_input(file), toolchain))
    chosen = [one for one in functions if function in (None, one.name)]
    if not chosen:
        raise click.ClickException(
            f"{file}: no function {function}; there are {', '.join(one.name for one in functions)}"
        )
    if chosen[0].problem:
        raise click.ClickException(f"{file}: {chosen[0].name}: {chosen[0].problem}")
    return disassembly.prompt(chosen[0].question, model.dialect)


def compiler(llvm: str | None) -> tuple[Any, Any]:
    """The toolchain and its vocabulary."""
    from llm_compiler.llvm.toolchain import find
    from llm_compiler.llvm.vocabulary import vocabulary

    toolchain = find(llvm)
    return toolchain, vocabulary(toolchain)


def read_input(file: str) -> bytes:
    """All of a file, or of standard input."""
    from llm_compiler.cli.files import check_input, read_stream

    if file != "-":
        check_input(Path(file))
    return read_stream(file)


def _module(file: str, language: Any, flags: list[str], toolchain: Any) -> bytes:
    """What the front end makes of a file: unoptimised bitcode."""
    from llm_compiler.llvm.frontend import LANGUAGES, Source, guess_language, unoptimised

    known = language or LANGUAGES.get(Path(file).suffix)
    contents = read_input(file)
    if not contents:
        raise click.ClickException(f"{file}: is empty")
    in_file = file != "-" and Path(file).is_file()
    source: Source = Source(
        Path(file) if in_file else None,
        known or guess_language(contents),
        b"" if in_file else contents,
        (*flags, *(("-x", language) if language and in_file else ())),
    )
    return unoptimised(toolchain, source)


def or_one_line(run: Callable[[], Answer]) -> Answer:
    """What it answers; a line for what is wrong with what was given."""
    from llm_compiler.cli.files import InputError
    from llm_compiler.inference.examine import ExamineError
    from llm_compiler.inference.model import ModelError
    from llm_compiler.llvm.frontend import CompileError
    from llm_compiler.llvm.functions import UnreadableError

    try:
        return run()
    except (ExamineError, InputError, ModelError, UnreadableError) as error:
        raise click.ClickException(" ".join(str(error).split())) from None
    except CompileError as error:
        lines = str(error).splitlines()
        raise click.ClickException(
            next((line for line in lines if "error: " in line), lines[0] if lines else "?")
        ) from None
