"""`llmc passes`: the vocabulary."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict

import click

from llm_compiler.cli.options import json_option, llvm_option
from llm_compiler.llvm.passes import LEVELS


@click.command()
@click.argument("pattern", required=False)
@click.option("--level", type=click.Choice(LEVELS), help="Only passes of this level.")
@click.option("--proposable", is_flag=True, help="Only passes that a search or a model may propose.")
@json_option
@llvm_option
def passes(pattern: str | None, level: str | None, proposable: bool, as_json: bool, llvm: str | None) -> None:
    """List the passes of this LLVM: level, kind, whether they may be proposed, and why not.

    PATTERN keeps the names that contain it.

    \b
    Example:  llmc passes loop --proposable
    """
    from llm_compiler.llvm.toolchain import find
    from llm_compiler.llvm.vocabulary import vocabulary

    known = vocabulary(find(llvm))
    chosen = [
        p
        for p in known.passes.values()
        if (pattern or "") in p.name and level in (None, p.level) and (p.propose or not proposable)
    ]
    if as_json:
        click.echo(json.dumps({"llvm": known.version, "passes": [asdict(p) for p in chosen]}, indent=1))
        return
    width = max((len(p.name) for p in chosen), default=0)
    for p in chosen:
        verdict = "yes" if p.propose else f"no   {p.why}"
        click.echo(f"{p.name:{width}}  {p.level:9}  {p.kind:15}  {verdict}")
    kinds = Counter(p.kind for p in chosen if not p.propose)
    out = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    click.echo(
        f"\n{len(chosen)} of {len(known.passes)} passes of LLVM {known.version}; "
        f"{sum(p.propose for p in chosen)} may be proposed" + (f" (out: {out})" if out else ""),
        err=True,
    )
