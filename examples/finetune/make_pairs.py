"""Examples to fine-tune on: functions of C files, and how many LLVM-IR instructions each has after -O3.

python make_pairs.py pairs.jsonl ../*.c lua-5.4.4/src zlib-1.2.13
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from llm_compiler.corpus.normalise import compact, normalise
from llm_compiler.corpus.split import split
from llm_compiler.llvm import toolchain as toolchains
from llm_compiler.llvm.frontend import CompileError, Source, unoptimised
from llm_compiler.llvm.library import Library, LLVMError
from llm_compiler.llvm.module import Context
from llm_compiler.llvm.size import SHIP
from llm_compiler.llvm.toolchain import Toolchain

PROMPT = "[INST] How many instructions does this code have after -O3? <code>{code}</code> [/INST]"
LONGEST = 3_000
"""Characters of code: what a small model reads in minutes."""
_FOR_SIZE = re.compile(r" (minsize|optsize)(?= )")


def pairs(toolchain: Toolchain, library: Library, path: Path) -> Iterator[dict[str, str]]:
    """An example of each function in a file. CompileError where clang does not take it."""
    bitcode = unoptimised(toolchain, Source(path, "c", flags=(f"-I{path.parent}",)))
    with Context(library) as context, context.parse(bitcode) as module:
        text = normalise(module.print())
    for function in split(text):
        ir = normalise(function.text)
        for_speed = _FOR_SIZE.sub(r' "was \1"', ir).encode()
        with Context(library) as context, context.parse(for_speed) as module, module.machine(SHIP) as machine:
            module.run("default<O3>", machine)
            count = module.instruction_count()
        if len(code := compact(ir)) <= LONGEST:
            yield {"prompt": PROMPT.format(code=code), "answer": str(count)}


def main() -> None:
    """Write the file."""
    out, *given = map(Path, sys.argv[1:])
    files = [path for one in given for path in (sorted(one.rglob("*.c")) if one.is_dir() else [one])]
    toolchain = toolchains.find()
    library = Library(toolchain.library)
    found, left_out = {}, 0
    for path in files:
        try:
            found |= {pair["prompt"]: pair for pair in pairs(toolchain, library, path)}
        except (CompileError, LLVMError, ValueError):
            left_out += 1
    out.write_text("".join(json.dumps(pair) + "\n" for pair in found.values()))
    print(f"{len(found)} functions of {len(files) - left_out} files; {left_out} files do not compile")


if __name__ == "__main__":
    main()
