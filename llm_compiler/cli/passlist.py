"""`llmc passlist`: which pass lists can be trusted."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import click

from llm_compiler.autotune.portfolio import read_tables
from llm_compiler.cli.files import InputError, check_input, read_stream, write_output
from llm_compiler.cli.options import install_hint, jobs_option, json_option, llvm_option
from llm_compiler.llvm.passes import PassList, PassListError


@click.group()
def passlist() -> None:
    """Pass lists, and whether programs compiled with them still work.

    \b
    Example:  llmc passlist check 'module(iroutliner),module(attributor)'
    """


@passlist.command()
@click.argument("lists", metavar="LIST...", nargs=-1)
@click.option(
    "--from",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, allow_dash=True),
    help="More lists: a text file with one a line, or a portfolio .toml. May be given again.",
)
@click.option(
    "--suite",
    "suites",
    multiple=True,
    type=click.Path(path_type=Path),
    help="More programs: a folder of C and C++, one such file, or a .jsonl like HumanEval-X. May be given again.",
)
@click.option("--no-default-suite", is_flag=True, help="Leave out the programs that came with this package.")
@click.option("--miscompiled-only", is_flag=True, help="Do not reject for what only fails to compile or to link.")
@click.option("--ignore-denied", is_flag=True, help="Try lists even if the deny list says that they break programs.")
@click.option("--deny-out", metavar="FILE", type=click.Path(path_type=Path), help="Write what is to blame, as TOML.")
@jobs_option
@json_option
@llvm_option
@click.pass_context
def check(
    ctx: click.Context,
    lists: tuple[str, ...],
    files: tuple[Path, ...],
    suites: tuple[Path, ...],
    no_default_suite: bool,
    miscompiled_only: bool,
    ignore_denied: bool,
    deny_out: Path | None,
    jobs: int,
    as_json: bool,
    llvm: str | None,
) -> None:
    """Compile programs that check themselves with each LIST, and RUN them.

    A list is ok if every program still passes. Exit code 1 says that a list was rejected. The programs run on this
    machine, as you, with limits on time and memory but in no sandbox: add only suites that you would run yourself. One
    that fails even unoptimised or with -Oz is left out. A list in which the passes of an entry of the deny list occur
    in order is rejected without being tried.

    \b
    Examples:
      llmc passlist check 'module(iroutliner),module(attributor)' --ignore-denied
      llmc passlist check --from lists.txt --suite examples --deny-out deny.toml
    """
    try:
        named = [*lists, *(line for file in files for line in _lists_of(file))]
    except InputError as error:
        raise click.ClickException(str(error)) from None
    if not named:
        raise click.UsageError("name a pass list, or a file of them with --from")
    chosen = [PassList.parse(text) for text in named]
    from llm_compiler.autotune.deny import Denied, denied, dump_denied
    from llm_compiler.autotune.passlisteval import REASONS, PassListEval, blame
    from llm_compiler.autotune.suites import SuiteError, load_suites
    from llm_compiler.cli.progress import Bar
    from llm_compiler.llvm.toolchain import find

    toolchain = find(llvm)
    tolerate = [reason for reason in REASONS if reason not in ("failed", "denied")] if miscompiled_only else []
    try:
        programs = load_suites(suites, default=not no_default_suite)
        entries: list[Denied] = []
        with Bar(len(programs) + len(chosen), "programs and lists") as bar:
            checker = PassListEval(
                toolchain,
                programs,
                jobs=jobs,
                deny=() if ignore_denied else None,
                tolerate=tolerate,
                on_program=bar.advance,
            )
            with checker:
                for name, why in checker.left_out.items():
                    click.echo(f"left out: {name} {why}", err=True)
                verdicts = []
                for verdict in checker.check(chosen):
                    verdicts.append(verdict)
                    bar.advance()
                    bar.say(f"{sum(not verdict.ok for verdict in verdicts)} rejected")
                if deny_out:
                    bar.say("finding the passes to blame")
                    for passes, verdict in zip(chosen, verdicts, strict=True):
                        if verdict.reason == "failed" and not denied(passes, entries):
                            entries += filter(None, [blame(checker, passes)])
    except SuiteError as error:
        raise click.ClickException(str(error)) from None
    if deny_out:
        write_output(deny_out, dump_denied(entries).encode())
    counts = Counter(verdict.reason for verdict in verdicts)
    if as_json:
        document = {
            "llvm": toolchain.version,
            "programs": len(checker.programs),
            "left_out": checker.left_out,
            "lists": [
                {"passes": str(passes), "ok": verdict.ok, "reason": verdict.reason, "detail": verdict.detail}
                for passes, verdict in zip(chosen, verdicts, strict=True)
            ],
            "reasons": dict(counts),
        }
        click.echo(json.dumps(document, indent=1))
    else:
        for passes, verdict in zip(chosen, verdicts, strict=True):
            click.echo(f"{verdict.reason:10}  {passes}")
            if verdict.detail:
                click.echo(f"{'':10}  {verdict.detail}")
        told = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
        click.echo(f"{len(verdicts)} lists on {len(checker.programs)} programs: {told}", err=True)
    ctx.exit(0 if all(verdict.ok for verdict in verdicts) else 1)


def _lists_of(path: Path) -> list[str]:
    """The pass lists of a file (one a line, or a portfolio) or of a folder of labels. InputError names the list."""
    if path.is_dir():
        return _lists_of_labels(path)
    if str(path) != "-":
        check_input(path)
    text = (read_stream("-") if str(path) == "-" else path.read_bytes()).decode(errors="replace")
    if path.suffix == ".toml":
        try:
            tables = read_tables(text, str(path))
        except PassListError as error:
            raise InputError(str(error)) from None
        numbered = list(enumerate(dict.fromkeys(line for table in tables.values() for line in table), 1))
    else:
        lines = enumerate((line.strip() for line in text.splitlines()), 1)
        numbered = [(number, line) for number, line in lines if line and not line.startswith("#")]
    for number, line in numbered:
        try:
            PassList.parse(line)
        except PassListError as error:
            raise InputError(f"{path}: list {number}: {error}") from None
    return [line for _, line in numbered]


def _lists_of_labels(folder: Path) -> list[str]:
    """The lists that labels have, the commonest first."""
    try:
        from llm_compiler.autotune.label import labels
        from llm_compiler.corpus.store import CorpusError
    except ImportError:
        raise InputError(f"{folder}: reading labels needs {install_hint('corpus')}") from None
    try:
        counts = Counter(label.passes for label in labels(folder) if label.passes)
    except CorpusError as error:
        raise InputError(str(error)) from None
    return [passes for passes, _ in counts.most_common()]
