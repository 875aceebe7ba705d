"""`llmc optimize`: files in, smaller objects out."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llm_compiler.autotune.portfolio import load
from llm_compiler.cli.files import InputError, check_input, read_stream, write_output
from llm_compiler.cli.options import MODEL_HELP, CommandWithRest, jobs_option, json_option, llvm_option, rest_of
from llm_compiler.inference.propose import Propose, in_turn, listed, or_else
from llm_compiler.inference.solve import Functions, Solution, Solver
from llm_compiler.llvm.frontend import LANGUAGES, CompileError, Emit, Language, Source, guess_language
from llm_compiler.llvm.size import PROTOCOLS, Size
from llm_compiler.llvm.toolchain import Toolchain, find
from llm_compiler.llvm.vocabulary import vocabulary

if TYPE_CHECKING:
    from llm_compiler.inference.model import Model

_SUFFIXES = {"obj": ".o", "asm": ".s", "ll": ".ll", "bc": ".bc"}
# What decides the kind of output, or writes files of its own, is ours to say.
_REFUSED = ("-o", "-S", "-E", "-M", "-emit-", "-flto", "-fsyntax-only", "-save-temps", "--save-temps", "-###", "@")
_LONGEST_DIAGNOSTICS = 1 << 16
_LONGEST_LINE = 300
_MODEL_SECONDS = 20.0
"""That a model has for one file."""


@click.command(cls=CommandWithRest, rest="CLANG_FLAGS")
@click.argument("files", nargs=-1, required=True, type=click.Path(allow_dash=True, readable=False))
@click.option("-o", "--output", metavar="PATH", help="File or folder to write to; - is standard output.")
@click.option("--emit", type=click.Choice(list(_SUFFIXES)), default="obj", show_default=True, help="What to write.")
@click.option(
    "--budget",
    type=click.IntRange(0, 100_000),
    default=32,
    show_default=True,
    help="Pass lists to try on each file; 0 is clang -Oz.",
)
@click.option(
    "--portfolio",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The lists to try, as `llmc portfolio build` writes them.  [default: the shipped ones]",
)
@click.option("--model", metavar="NAME", help=MODEL_HELP)
@click.option(
    "--proposer",
    type=click.Choice(["auto", "portfolio", "model", "both"]),
    default="auto",
    show_default=True,
    help="Whose lists to try: `auto` is both where there is a model.",
)
@click.option("--samples", type=click.IntRange(1, 1000), help="Lists of the model.  [default: as the budget has room]")
@click.option(
    "--per-function", is_flag=True, help="Then try short lists on each function alone: up to 20 more objects a file."
)
@jobs_option
@click.option(
    "--protocol",
    type=click.Choice(["ship", "paper"]),
    default="ship",
    show_default=True,
    help="Size of the object as `clang -Oz` emits it, or with the back end at -O0 as in the paper's tables.",
)
@click.option("-x", "language", type=click.Choice(["c", "c++", "ir"]), help="Language, where the suffix does not say.")
@click.option("-n", "--dry-run", is_flag=True, help="Say what could be gained, write nothing.")
@json_option
@llvm_option
@click.pass_context
def optimize(
    ctx: click.Context,
    files: tuple[str, ...],
    output: str | None,
    emit: Emit,
    budget: int,
    portfolio: Path | None,
    model: str | None,
    proposer: str,
    samples: int | None,
    per_function: bool,
    jobs: int,
    protocol: str,
    language: Language | None,
    dry_run: bool,
    as_json: bool,
    llvm: str | None,
) -> None:
    """Make objects smaller than `clang -Oz` does, never larger.

    FILES are C (.c), C++ (.cc, .cpp, .cxx), LLVM-IR (.ll, .bc), or - for standard input. Flags of clang's own, such as
    -I, -D and -std=, follow after --. Pass lists are tried in parallel; the best is confirmed on the object that the
    real clang emits, against the object of the real `clang -Oz -c`. Where nothing is smaller, that is what you get.

    \b
    Examples:
      llmc optimize hash_table.c -o hash_table.o -- -I include -DNDEBUG -std=c11
      llmc optimize src/*.c -o build/
      clang -Oz -Xclang -disable-llvm-passes -emit-llvm -c x.c -o - | llmc optimize - -o x.o
    """
    flags = _clang_flags(rest_of(ctx))
    outputs = {} if dry_run else _outputs(files, output, _SUFFIXES[emit])
    toolchain = find(llvm)
    from llm_compiler.cli.progress import Bar  # rich takes its time

    sources, failed = _sources(files, language, flags)
    solved: list[tuple[Solution, str | None]] = []
    with (
        Bar(len(sources) * budget, "lists") as bar,
        _proposals(toolchain, protocol, budget, portfolio, model, proposer, samples, jobs) as propose,
        Solver(
            toolchain,
            propose,
            PROTOCOLS[protocol],
            jobs=jobs,
            functions=_functions(toolchain) if per_function else None,
            on_list=bar.advance,
        ) as solver,
    ):
        for source, answer in zip(sources, solver.solve(sources, emit), strict=True):
            if isinstance(answer, CompileError):
                _report_failure(source, answer)
                failed = True
                continue
            if answer.warnings:
                click.echo(answer.warnings, err=True, nl=False)
            target = outputs.get(source.name)
            if target == "-":
                sys.stdout.buffer.write(answer.output)
                sys.stdout.buffer.flush()
            elif target is not None:
                write_output(Path(target), answer.output)
            solved.append((answer, target))
            bar.say(f"{len(solved)} of {len(sources)} files, {_change(*_totals(solved))}")
    to_stdout = "-" in outputs.values()
    if as_json:
        click.echo(json.dumps(_as_json(toolchain.version, protocol, solved), indent=1), err=to_stdout)
    elif solved:
        _print_table(solved, err=to_stdout)
    ctx.exit(1 if failed else 0)


def _functions(toolchain: Toolchain) -> Functions:
    """The lists for single functions."""
    from llm_compiler.inference.per_function import short_lists
    from llm_compiler.tasks.code import deny_list

    lists = short_lists(vocabulary(toolchain))
    return Functions(lists, tuple(entry.passes for entry in deny_list(toolchain.version)))


@contextlib.contextmanager
def _proposals(
    toolchain: Toolchain,
    protocol: str,
    budget: int,
    portfolio: Path | None,
    model: str | None,
    proposer: str,
    samples: int | None,
    jobs: int,
) -> Iterator[Propose]:
    """Whose lists are tried."""
    known = vocabulary(toolchain)
    lists = listed(load(known, protocol, portfolio)[:budget])
    if proposer == "portfolio" or not budget:
        yield lists
        return
    from llm_compiler.inference.asked import Asked
    from llm_compiler.inference.model import How

    with contextlib.ExitStack() as stack:
        opened = _opened(model, proposer, jobs)
        if opened is None:
            yield lists
            return
        stack.callback(opened.close)
        share = budget if proposer == "model" else (budget + 1) // 2
        how = How(samples=min(samples or share, budget), method="priority", seconds=_MODEL_SECONDS)
        asked = stack.enter_context(Asked(opened, known, toolchain.library, protocol, how))
        yield in_turn(or_else(asked, lists, _warn), listed([]) if proposer == "model" else lists, budget)


def _warn(message: str) -> None:
    click.echo(f"llmc: warning: {message}; going on without the model", err=True)


def _opened(name: str | None, proposer: str, jobs: int) -> Model | None:
    """The model to ask. None where none was named and none ships, and for a server that does not answer."""
    from llm_compiler.inference.model import ModelError, open_model

    try:
        return open_model(name, threads=jobs)
    except ModelError as error:
        if name is None and proposer == "auto":
            return None
        if name is not None and name.startswith("openai:"):
            _warn(str(error))
            return None
        raise click.ClickException(f"{error}; --proposer portfolio works without a model") from None


def _clang_flags(given: Sequence[str]) -> tuple[str, ...]:
    for flag in given:
        if flag.startswith(_REFUSED):
            raise click.UsageError(f"{flag} after --: what is written, and where, is said with --emit and -o")
    return tuple(flag for flag in given if flag != "-c" and not flag.startswith("-O"))


def _outputs(files: Sequence[str], output: str | None, suffix: str) -> dict[str, str]:
    """Where the result for each file goes."""
    into_folder = output is not None and output != "-" and (output.endswith("/") or Path(output).is_dir())
    if output is not None and not into_folder:
        if len(files) > 1:
            raise click.UsageError(
                f"-o {output}: for more than one file, name an existing folder, or one with a / behind"
            )
        targets = {files[0]: output}
    elif "-" in files:
        raise click.UsageError("standard input needs -o FILE (or -o - for standard output, or --dry-run)")
    else:
        folder = Path(output) if output else Path()
        targets = {file: str(folder / (Path(file).stem + suffix)) for file in files}
    for file, target in targets.items():
        if target != "-" and Path(target).exists() and Path(file).exists() and Path(target).samefile(file):
            raise click.UsageError(f"{file} would be overwritten by its own result; say where to write with -o")
    owners: dict[str, str] = {}
    for file, target in targets.items():
        if owners.setdefault(target, file) != file:
            raise click.UsageError(f"{owners[target]} and {file} would both be written to {target}")
    if into_folder and output is not None:
        Path(output).mkdir(parents=True, exist_ok=True)
    return targets


def _sources(files: Sequence[str], language: Language | None, flags: tuple[str, ...]) -> tuple[list[Source], bool]:
    """The inputs that can be worked on, and whether any cannot (each is said so in a line)."""
    sources, failed = [], False
    for name in dict.fromkeys(files):
        path = Path(name)
        suffix_says = LANGUAGES.get(path.suffix)
        try:
            if name != "-":
                check_input(path)
            if name == "-" or not path.is_file():
                text = read_stream(name)
                if not text:
                    raise InputError(f"{name}: is empty")
                sources.append(Source(None, language or suffix_says or guess_language(text), text, flags))
            elif known := language or suffix_says:
                extra = ("-x", language) if language and language != suffix_says else ()
                sources.append(Source(path, known, flags=(*flags, *extra)))
            else:
                raise InputError(f"{name}: the suffix does not say what it is; use -x c, -x c++ or -x ir")
        except InputError as error:
            click.echo(f"llmc: {error}", err=True)
            failed = True
    return sources, failed


def _report_failure(source: Source, error: CompileError) -> None:
    text = str(error).rstrip("\n")
    if source.language != "ir" and "\n" in text:
        click.echo(text[:_LONGEST_DIAGNOSTICS], err=True)  # clang's own diagnostics name the file
        return
    # What LLVM says of text that nobody typed: one line is enough.
    line = next((line for line in text.splitlines() if "error: " in line), text.partition("\n")[0])
    if "error: " in line:
        line = f"clang cannot read it: {line.rpartition('error: ')[2]}"
    click.echo(f"llmc: {source.name}: {line[:_LONGEST_LINE]}", err=True)


def _change(before: int, now: int) -> str:
    return f"{100 * (now - before) / before:+.2f} %" if now != before else "0"


def _print_table(solved: Sequence[tuple[Solution, str | None]], *, err: bool) -> None:
    rows: list[tuple[str, ...]] = [("file", "clang -Oz", "now", "change", "tried", "s", "pass list")]
    for solution, _ in solved:
        before, now = solution.baseline.total, solution.size.total
        winner = "clang -Oz (nothing was smaller)"
        if solution.passes:  # without the nesting, which --json has
            winner = ",".join(element.spelling for element in solution.passes.passes())
        if solution.functions:
            count = len(solution.functions)
            winner = f"{winner if solution.passes else 'clang -Oz'} + {count} function{'s' * (count > 1)}"
        rows.append(_row(solution.source.name, before, now, len(solution.tried), solution.seconds, winner))
    smaller = sum(solution.size.total < solution.baseline.total for solution, _ in solved)
    tried = sum(len(solution.tried) for solution, _ in solved)
    seconds = sum(solution.seconds for solution, _ in solved)
    rows.append(_row("total", *_totals(solved), tried, seconds, f"{smaller} of {len(solved)} smaller"))
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    terminal = (sys.stderr if err else sys.stdout).isatty()
    room = shutil.get_terminal_size().columns if terminal else sys.maxsize
    rule = "-" * (sum(widths) + 2 * len(widths) + len("pass list"))
    for number, (name, *numbers, winner) in enumerate(rows):
        if number in (1, len(rows) - 1):
            click.echo(rule, err=err)
        cells = [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
        line = "  ".join([name.ljust(widths[0]), *cells, winner])
        click.echo(line if len(line) <= room else f"{line[: room - 1]}…", err=err)


def _totals(solved: Sequence[tuple[Solution, str | None]]) -> tuple[int, int]:
    """Bytes of all files with -Oz, and now."""
    before = sum(solution.baseline.total for solution, _ in solved)
    return before, sum(solution.size.total for solution, _ in solved)


def _row(name: str, before: int, now: int, tried: int, seconds: float, winner: str) -> tuple[str, ...]:
    return name, f"{before:,}", f"{now:,}", _change(before, now), str(tried), f"{seconds:.1f}", winner


def _as_json(version: str, protocol: str, solved: Sequence[tuple[Solution, str | None]]) -> dict[str, Any]:
    def size(value: Size) -> dict[str, int]:
        return {"text": value.text, "data": value.data, "total": value.total}

    files = [
        {
            "file": solution.source.name,
            "baseline": size(solution.baseline),
            "size": size(solution.size),
            "passes": str(solution.passes) if solution.passes else None,
            "origin": solution.winner.origin if solution.winner else None,
            "functions": dict(solution.functions),
            "tried": len(solution.tried),
            "candidates": [
                {"passes": str(proposal.passes), "origin": proposal.origin, "size": one.size, "reason": one.reason}
                for one in solution.tried
                for proposal in [one.candidate]
            ],
            "failures": dict(solution.failures),
            "seconds": round(solution.seconds, 3),
            "output": target,
        }
        for solution, target in solved
    ]
    before, now = _totals(solved)
    return {"llvm": version, "protocol": protocol, "files": files, "total": {"baseline": before, "size": now}}
