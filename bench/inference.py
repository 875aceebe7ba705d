"""Engines on a CPU, the embedded one beside transformers, with the same random weights; and pass lists of a model.

    python bench/inference.py --engines [--models nano small] [--threads 1]
    python bench/inference.py --lists MODEL --corpus CORPUS [--units 60] [--parts grammar gain optimize] [--threads 1]

Engines: each has a process of its own. Rates are of CPU time, since a machine that does other work as well makes wall
time long; wall time is beside it. transformers reads a prompt in one pass with PyTorch's fused attention, its fastest
way. Rates of reading are of a whole prompt; those of making tokens are the median of single steps behind it.

Lists: what the grammar costs and what it is for; what the lists of a model save over -Oz by how many are drawn, beside
those of the portfolio and of chance, on functions of the validation split; and what a user waits for.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from llm_compiler.autotune import portfolio
from llm_compiler.autotune.deny import allowed, load_denied
from llm_compiler.autotune.engines import here
from llm_compiler.autotune.gain import gain
from llm_compiler.autotune.label import Tried
from llm_compiler.autotune.search import PassNames, Space, random_lists
from llm_compiler.autotune.searcher import Searcher, Settings, Task
from llm_compiler.autotune.tune import names_of
from llm_compiler.corpus import store
from llm_compiler.corpus.unit import Unit
from llm_compiler.inference import decoding
from llm_compiler.inference.asked import Asked
from llm_compiler.inference.embedded import Embedded, load
from llm_compiler.inference.engine import Branch, Logits
from llm_compiler.inference.grammar import Ids, PassListGrammar, State
from llm_compiler.inference.model import How, LocalModel, open_model
from llm_compiler.llvm.evaluate import oz_passes
from llm_compiler.llvm.frontend import Source, unoptimised
from llm_compiler.llvm.passes import Vocabulary
from llm_compiler.llvm.size import PROTOCOLS
from llm_compiler.llvm.toolchain import Toolchain, find
from llm_compiler.llvm.vocabulary import vocabulary as ask
from llm_compiler.model.shape import PRESETS, to_config
from llm_compiler.model.tokenizer import Tokenizer
from llm_compiler.tasks import flag_tuning
from llm_compiler.tasks.task import Pieces

ENGINES = ("transformers float32", "transformers bfloat16", "embedded fp32", "embedded int8")
CONTEXTS = {1_024: 3, 4_096: 3, 16_000: 1}
"""Tokens of a prompt, and how often it is read."""
STEPS = 24
"""Tokens that are made behind it."""
PATIENCE = 60.0
"""Seconds that a prompt may take; more is left out."""
SAMPLES, SAMPLED, LONG = 8, 48, 4_096
ANSWERS, ANSWERED = 50, 24
GOALS = {"read": 1.5, "make": 3.0}
BUDGETS = (1, 2, 5, 10, 30)
LIST_TOKENS = 256
"""Of an answer at most; every prompt leaves room for them."""
GRAMMAR_SAMPLES = 8
PARTS = ("grammar", "gain", "optimize")
PROMPT_TOKENS = 1_500
RUNS = 5
Result = TypeVar("Result")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", action="store_true")
    parser.add_argument("--models", nargs="+", default=["nano", "small"], choices=PRESETS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--lists", type=Path, metavar="MODEL", help="folder of a model that was trained for lists")
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--units", type=int, default=60, help="functions of the validation split")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="of --lists")
    parser.add_argument("--one", nargs=2, metavar=("ENGINE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one[0], Path(options.one[1]), options.threads)))
    elif options.engines:
        with tempfile.TemporaryDirectory() as home:
            os.environ["XDG_CACHE_HOME"] = home
            for name in options.models:
                engines(name, Path(home) / name, options.threads)
    elif options.lists and options.corpus:
        with tempfile.TemporaryDirectory() as home:
            os.environ["XDG_CACHE_HOME"] = home
            lists(options)
    else:
        parser.error("nothing to do: --engines, or --lists with --corpus")


def engines(name: str, folder: Path, threads: int) -> None:
    """Prints how fast each engine is with one model, and whether they agree."""
    random_checkpoint(name, folder)
    for quantisation in ("fp32", "int8"):
        load(folder, quantisation)  # made here, since the memory that it takes is not the engine's
    print(
        f"{name}: {PRESETS[name].parameters / 1e6:.1f} M parameters, {threads} thread(s); tokens per CPU (wall) second"
    )
    found = {}
    for engine in ENGINES:
        command = [sys.executable, __file__, "--one", engine, str(folder), "--threads", str(threads)]
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found[engine] = json.loads(ran.stdout.splitlines()[-1])
        show(engine, found[engine])
    for engine in ENGINES[2:]:
        for peer in ENGINES[:2]:
            print(f"  {engine} / {peer}: " + ratios(found[engine], found[peer]))
    expected = found[ENGINES[0]]["answers"]
    for engine in ENGINES[1:]:
        same = sum(a == b for a, b in zip(expected, found[engine]["answers"], strict=True))
        print(f"  {engine}: {same} of {len(expected)} greedy answers of {ANSWERED} tokens are {ENGINES[0]}'s")
    print(flush=True)


def show(engine: str, found: dict[str, Any]) -> None:
    for context, each in found["contexts"].items():
        if each is None:
            print(f"  {engine:22} {context:>6}: left out, over {PATIENCE:.0f} s")
            continue
        rates = ", ".join(f"{kind} {each[kind][0]:6,.0f} ({each[kind][1]:6,.0f})" for kind in GOALS)
        print(f"  {engine:22} {context:>6}: {rates}; peak {each['megabytes']:,} MB", flush=True)
    if "samples" in found:
        one, many = found["samples"]
        print(
            f"  {engine:22} {LONG:>6}: and 1 sample of {SAMPLED} {one:.2f} CPU s, {SAMPLES} samples {many:.2f}: "
            f"{many / one:.2f} times (goal: 2)",
            flush=True,
        )


def ratios(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """Of CPU time, by context."""
    parts = []
    for context, each in ours["contexts"].items():
        peer = theirs["contexts"][context]
        if peer:
            both = (f"{kind} {each[kind][0] / peer[kind][0]:.2f} times (goal {goal})" for kind, goal in GOALS.items())
            parts.append(f"{context}: {', '.join(both)}")
    return "; ".join(parts)


def random_checkpoint(name: str, folder: Path) -> None:
    import torch
    import transformers

    named = to_config(PRESETS[name], bos=1, eos=2, pad=None, dtype="float32")
    kept = {key: value for key, value in named.items() if key not in {"architectures", "model_type"}}
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(transformers.LlamaConfig(**kept)).save_pretrained(folder)


class Peer:
    """transformers' own loop."""

    def __init__(self, folder: Path, dtype: str, threads: int) -> None:
        import torch
        import transformers

        torch.set_num_threads(threads)
        self._torch, self._transformers = torch, transformers
        self._model: Any = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()

    def start(self, prompt: list[int]) -> Callable[[int], int]:
        """Reads a prompt. What is returned appends a token, and gives the likeliest next one."""
        cache = self._transformers.DynamicCache()

        def step(tokens: list[int]) -> int:
            with self._torch.inference_mode():
                ids = self._torch.tensor([tokens])
                output = self._model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
            return int(output.logits[0, -1].float().argmax())

        self.first = step(prompt)
        return lambda token: step([token])


class Ours:
    """The embedded engine, as `Peer`."""

    def __init__(self, folder: Path, quantisation: str, threads: int) -> None:
        self.engine: Embedded = load(folder, quantisation, threads)  # type: ignore[arg-type]

    def start(self, prompt: list[int]) -> Callable[[int], int]:
        """As `Peer`'s."""
        branch, logits = self.engine.prefill(prompt)
        self.first = int(logits.argmax())
        return lambda token: int(self.engine.decode([branch], [[token]])[0][0].argmax())


def measured(name: str, folder: Path, threads: int) -> dict[str, Any]:
    """All about one engine, in this process."""
    library, kind = name.split()
    engine = Peer(folder, kind, threads) if library == "transformers" else Ours(folder, kind, threads)
    random = np.random.default_rng(0)
    vocabulary = PRESETS[folder.name].vocabulary
    found: dict[str, Any] = {"contexts": {}}
    answers = [random.integers(0, vocabulary, random.integers(16, 256)).tolist() for _ in range(ANSWERS)]
    found["answers"] = [greedy(engine, prompt) for prompt in answers]
    before, length = 0.0, 1
    for context, times in CONTEXTS.items():
        # Attention is quadratic, the rest is not: this is too much rather than too little.
        if before * (context / length) ** 2 > 4 * PATIENCE:
            found["contexts"][context] = None
            continue
        prompts = [random.integers(0, vocabulary, context).tolist() for _ in range(times)]
        found["contexts"][context], before = rates(engine, prompts)
        length = context
    if isinstance(engine, Ours):
        prompt = random.integers(0, vocabulary, LONG).tolist()
        found["samples"] = [
            statistics.median(samples(engine, prompt, count) for _ in range(3)) for count in (1, SAMPLES)
        ]
    return found


def greedy(engine: Peer | Ours, prompt: list[int]) -> list[int]:
    step = engine.start(prompt)
    found = [engine.first]
    while len(found) < ANSWERED:
        found.append(step(found[-1]))
    return found


def rates(engine: Peer | Ours, prompts: list[list[int]]) -> tuple[dict[str, Any], float]:
    """Medians in tokens per second of CPU and of wall time, and how long a prompt took."""
    reading, making = [], []
    for prompt in prompts:
        clock = Clock()
        step = engine.start(prompt)
        reading.append(clock.read())
        for _ in range(STEPS):
            clock = Clock()
            step(engine.first)
            making.append(clock.read())
    median = {"read": np.median(reading, 0), "make": np.median(making, 0)}
    found: dict[str, Any] = {
        "read": (len(prompts[0]) / median["read"]).tolist(),
        "make": (1 / median["make"]).tolist(),
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }
    return found, float(median["read"][0])


def samples(ours: Ours, prompt: list[int], count: int) -> float:
    """CPU seconds of a prompt and so many samples behind it, which go on differently."""
    engine, clock = ours.engine, Clock()
    branch, _ = engine.prefill(prompt)
    forks = [engine.fork(branch, len(prompt)) for _ in range(count)]
    for step in range(SAMPLED):
        engine.decode(forks, [[3 + place + step] for place in range(count)])
    return clock.read()[0]


class Clock:
    """Begins when it is made."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def read(self) -> tuple[float, float]:
        """Seconds of CPU and of wall time since."""
        return time.process_time() - self._cpu, time.perf_counter() - self._wall


# -- pass lists


def lists(options: argparse.Namespace) -> None:
    """Prints what `--parts` names about one model."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    toolchain = find()
    known = ask(toolchain)
    model = open_model(str(options.lists), threads=options.threads)
    assert isinstance(model, LocalModel)
    busy = os.getloadavg()[0]
    print(f"{options.lists}: context {model.context:,}; {os.cpu_count()} cores, load {busy:.1f}\n", flush=True)
    if set(options.parts) & {"grammar", "gain"}:
        asked = list(islice(questions(options.corpus, model), options.units))
        projects = len({unit.project for unit, _ in asked})
        print(f"{len(asked)} functions of {projects} projects of the validation split, protocol ship\n", flush=True)
        if "grammar" in options.parts:
            grammar(model, known, [prompt for _, prompt in asked])
        if "gain" in options.parts:
            gains(model, toolchain, known, asked)
    if "optimize" in options.parts:
        optimize(options.lists, model, toolchain, known)


def questions(corpus: Path, model: LocalModel) -> Iterator[tuple[Unit, Pieces]]:
    """Functions that leave room for an answer, and how the model is asked about them."""
    functions = (unit for unit in store.units(corpus, "validation") if unit.kind == "function" and unit.oz_ship)
    for unit in sorted(functions, key=lambda unit: unit.id):  # ids are hashes: as good as at random
        prompt = flag_tuning.prompt(flag_tuning.ask_of(unit, "ship"), model.dialect)
        if model.length(prompt) + LIST_TOKENS <= model.context:
            yield unit, prompt


class Stopwatch:
    """CPU seconds inside calls; of a call inside another only the outer counts."""

    def __init__(self) -> None:
        self.seconds, self._inside = 0.0, False

    def __call__(self, call: Callable[..., Result], *arguments: object) -> Result:
        """The call's result."""
        if self._inside:
            return call(*arguments)
        self._inside, started = True, time.process_time()
        try:
            return call(*arguments)
        finally:
            self._inside = False
            self.seconds += time.process_time() - started


class TimedGrammar(PassListGrammar):
    """A grammar that knows how long it took after it was made, the stopwatch included."""

    def __init__(self, tokenizer: Tokenizer, vocabulary: Vocabulary, model: LocalModel) -> None:
        self.watch = Stopwatch()
        denied = [name for entry in load_denied(vocabulary.version) for name in entry.passes[-1:]]
        super().__init__(tokenizer, vocabulary, model.dialect, denied=denied)
        self.watch.seconds = 0.0

    def allowed(self, state: State) -> Ids:
        """As the grammar's."""
        return self.watch(super().allowed, state)

    def advance(self, state: State, token: int) -> State | None:
        """As the grammar's."""
        return self.watch(super().advance, state, token)

    def forced(self, state: State | None) -> tuple[list[int], State | None]:
        """As the grammar's."""
        return self.watch(super().forced, state)


class TimedPrompts:
    """A model's engine that knows how long it read prompts."""

    def __init__(self, model: LocalModel) -> None:
        self.watch, self._engine = Stopwatch(), model.engine
        self.context, self.vocabulary = model.engine.context, model.engine.vocabulary
        self.fork, self.decode, self.release = model.engine.fork, model.engine.decode, model.engine.release

    def prefill(self, tokens: Sequence[int]) -> tuple[Branch, Logits]:
        """As the engine's."""
        return self.watch(self._engine.prefill, tokens)


def grammar(model: LocalModel, vocabulary: Vocabulary, prompts: Sequence[Pieces]) -> None:
    """Prints the grammar's share of decoding, and how many lists are valid with it and without."""
    assert isinstance(model.tokenizer, Tokenizer)
    clock = Clock()
    rules = TimedGrammar(model.tokenizer, vocabulary, model)
    print(f"grammar: made in {clock.read()[0]:.2f} CPU s, once")
    after_list = decoding.Stop(model.tokenizer.eos, after_list=True, tokens=LIST_TOKENS)
    for together in (1, GRAMMAR_SAMPLES):
        engine, clock = TimedPrompts(model), Clock()
        rules.watch.seconds = 0.0
        answers = []
        for number, prompt in enumerate(prompts):
            for first in range(0, GRAMMAR_SAMPLES, together):
                seeds = seeds_of(number)[first : first + together]
                answers += decoding.sample(engine, model.ids(prompt), seeds, after_list, rules)
        seconds = clock.read()[0] - engine.watch.seconds
        made = sum(len(answer.ids) for answer in answers)
        print(
            f"grammar, {together} at once: {rules.watch.seconds:.3f} of {seconds:.2f} CPU s of decoding "
            f"({100 * rules.watch.seconds / seconds:.2f} %, goal: under 5 %; prompts not counted, "
            f"{engine.watch.seconds:.1f} s); {made:,} tokens"
        )
    show_verdicts("with the grammar", model, vocabulary, answers)

    begun, _ = rules.forced(rules.start)
    for name, start in (("without", []), ("without, but for how it begins", begun)):
        free = unheld(model, [[*model.ids(prompt), *start] for prompt in prompts], start)
        show_verdicts(name, model, vocabulary, free)
    print(flush=True)


def unheld(model: LocalModel, prompts: Sequence[list[int]], start: list[int]) -> list[decoding.Generated]:
    """Answers that no grammar holds, up to the end of the first list; they begin as their prompts end."""

    def closed(ids: Sequence[int]) -> bool:
        return model.tokenizer.decode([*start, *ids]).count("'") > 1

    stop = decoding.Stop(model.tokenizer.eos, until=closed, tokens=LIST_TOKENS - len(start))
    found = []
    for number, ids in enumerate(prompts):
        for answer in decoding.sample(model.engine, ids, seeds_of(number), stop):
            found.append(replace(answer, ids=(*start, *answer.ids)))
    return found


def seeds_of(number: int) -> range:
    """Of a prompt's samples: those of other prompts are drawn from other noise."""
    return range(number * GRAMMAR_SAMPLES, (number + 1) * GRAMMAR_SAMPLES)


def show_verdicts(name: str, model: LocalModel, vocabulary: Vocabulary, answers: Sequence[decoding.Generated]) -> None:
    """Of sampled answers at temperature 1."""
    counts: Counter[str] = Counter()
    for answer in answers:
        try:
            flag_tuning.proposed(flag_tuning.parse(model.tokenizer.decode(answer.ids)), vocabulary)
            counts["valid" if answer.reason in ("stop", "end") else "cut off"] += 1
        except flag_tuning.RefusedError as error:
            counts[error.reason] += 1
    others = ", ".join(f"{count} {reason}" for reason, count in counts.most_common() if reason != "valid")
    print(f"{name}: {counts['valid']} of {len(answers)} valid ({100 * counts['valid'] / len(answers):.1f} %); {others}")


def gains(
    model: LocalModel, toolchain: Toolchain, vocabulary: Vocabulary, asked: Sequence[tuple[Unit, Pieces]]
) -> None:
    """Prints what the best of the first lists of each kind saves, with -Oz as the floor."""
    most = max(BUDGETS)
    space = Space(allowed(vocabulary, load_denied(vocabulary.version)))
    shipped = [names_of(str(passes)) for passes in portfolio.load(vocabulary)[:most]]
    drawn: dict[str, list[list[PassNames | None]]] = {}
    seconds = {}
    for method in ("priority", "sample"):
        clock, drawn[method] = Clock(), []
        for number, (_, prompt) in enumerate(asked):
            how = How(most, method, temperature=1.0, seed=number * most, tokens=LIST_TOKENS)
            drawn[method].append([*written(model, vocabulary, prompt, how)])
        seconds[method] = clock.read()[0] / len(asked)
    drawn["portfolio"] = [[*shipped] for _ in asked]
    drawn["random"] = [[*islice(random_lists(space, random.Random(unit.id), 0), most)] for unit, _ in asked]
    together = [{names for names in of_unit if names is not None} for of_unit in zip_lists(drawn.values())]
    records = evaluated(toolchain, vocabulary, [unit for unit, _ in asked], together)
    print("| lists | " + " | ".join(f"at {budget}" for budget in BUDGETS) + f" | different of {most} | no object |")
    print("|---|" + "---|" * (len(BUDGETS) + 2))
    for name, of_units in drawn.items():
        print(f"| {name} | " + " | ".join(row(vocabulary, of_units, records)) + " |")
    for name, each in seconds.items():
        print(f"{name}: {each:.2f} CPU s for {most} answers about a function")
    print(flush=True)


def written(model: LocalModel, vocabulary: Vocabulary, prompt: Pieces, how: How) -> Iterator[PassNames | None]:
    """The lists of a model's answers; None for one that stands for -Oz, or is none."""
    for answer in model.write(prompt, how, vocabulary):
        try:
            passes = str(flag_tuning.proposed(flag_tuning.parse(answer.text), vocabulary))
        except flag_tuning.RefusedError:
            yield None
            continue
        yield None if passes == flag_tuning.best_is_oz(vocabulary.version) else names_of(passes)


def zip_lists(drawn: Iterable[list[list[PassNames | None]]]) -> Iterator[list[PassNames | None]]:
    """All lists for each unit."""
    for of_unit in zip(*drawn, strict=True):
        yield [names for of_method in of_unit for names in of_method]


def evaluated(
    toolchain: Toolchain, vocabulary: Vocabulary, units: Sequence[Unit], together: Sequence[set[PassNames]]
) -> list[Tried]:
    """What becomes of each unit with its lists, in one worker."""
    settings = Settings("known", max(map(len, together)), "ship", minimising=0)
    oz = oz_passes(toolchain.version, PROTOCOLS["ship"])
    searcher = Searcher(toolchain.library, vocabulary, settings, [], load_denied(toolchain.version), oz)
    tasks = [
        Task(unit.id, unit.text.encode(), tuple(sorted(names))) for unit, names in zip(units, together, strict=True)
    ]
    ((_, records),) = here(searcher, [("all", tasks)], 1, 30.0, lambda _: None)
    return records


def row(vocabulary: Vocabulary, of_units: Sequence[list[PassNames | None]], records: Sequence[Tried]) -> list[str]:
    """Cells of a table: gains (all bytes, geometric mean) by budget, different lists, and the share that fails."""
    sizes = [{trial.passes: trial.size for trial in record.trials} for record in records]
    found = [
        [None if names is None else of_unit[str(vocabulary.nest(names))] for names in drawn]
        for drawn, of_unit in zip(of_units, sizes, strict=True)
    ]
    cells = []
    for budget in BUDGETS:
        figures = gain(
            (record.oz, min([record.oz, *(size for size in each[:budget] if size is not None)]))
            for record, each in zip(records, found, strict=True)
            if record.oz
        )
        cells.append(f"{100 * figures.total:.2f}, {100 * figures.geomean:.2f} %")
    different = statistics.fmean(len(set(drawn) - {None}) for drawn in of_units)
    tried = [
        size
        for drawn, each in zip(of_units, found, strict=True)
        for names, size in zip(drawn, each, strict=True)
        if names is not None
    ]
    failed = sum(size is None for size in tried) / max(1, len(tried))
    return [*cells, f"{different:.1f}", f"{100 * failed:.1f} %"]


# -- what a user waits for

CASES = (
    "m->stack[m->top - 1] += m->stack[m->top] * {n}; m->top--; break;",
    "if (m->stack[m->top] > {n}) at += 2; else m->flags |= {n}; break;",
    "for (int i = 0; i < {n}; i++) m->memory[i] ^= (unsigned char)(at + i); break;",
    "m->stack[m->top++] = m->memory[(at * {n}) & 255] << 2; break;",
    "if (!m->call(m, {n})) return -{n}; m->flags = m->flags << 1 | 1; break;",
)
"""Instructions of a made-up machine."""


def program(cases: int) -> str:
    """A C file with one function."""
    body = "\n".join(
        f"        case {number}: {CASES[number % len(CASES)].format(n=number + 3)}" for number in range(cases)
    )
    return (
        "struct machine { int stack[64]; unsigned char memory[256]; int top; unsigned flags;\n"
        "    int (*call)(struct machine *, int); };\n"
        "int run(struct machine *m, const unsigned char *code, int length) {\n"
        "    for (int at = 0; at < length; at++) {\n        switch (code[at]) {\n"
        f"{body}\n        default: return at;\n        }}\n    }}\n    return m->stack[0];\n}}\n"
    )


def optimize(folder: Path, model: LocalModel, toolchain: Toolchain, vocabulary: Vocabulary) -> None:
    """Prints seconds and memory of `llmc optimize --budget 8`, the process that a user starts and all that it does."""
    with (
        tempfile.TemporaryDirectory() as home,
        Asked(model, vocabulary, toolchain.library, "ship", How()) as asked,
    ):
        file = Path(home) / "machine.c"
        lengths = {}
        for cases in range(1, 60):
            source = Source(None, "c", program(cases).encode())
            lengths[cases] = model.length(asked.prompt(unoptimised(toolchain, source)))
            if lengths[cases] > PROMPT_TOKENS:
                break
        cases = min(lengths, key=lambda cases: abs(lengths[cases] - PROMPT_TOKENS))
        file.write_text(program(cases))
        os.environ["XDG_CACHE_HOME"] = home  # an empty one: the first run makes the model's graph
        command = [sys.executable, "-m", "llm_compiler", "optimize", str(file), "-o", f"{home}/machine.o"]
        command += ["--budget", "8", "--model", str(folder.absolute()), "--json"]
        print(f"optimize: a prompt of {lengths[cases]:,} tokens")
        runs = [waited(command) for _ in range(1 + RUNS)]
        memory = [peak(command) for _ in range(3)]
        without = [waited([*command, "--proposer", "portfolio"]) for _ in range(RUNS)]
        tried = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    print(f"optimize: first run, which makes the graph, {runs[0][0]:.2f} s")
    for name, several in (("with the model", runs[1:]), ("with the portfolio alone", without)):
        wall, cpu = np.median(several, 0)
        print(f"optimize, {name}: median of {RUNS} {wall:.2f} s (goal: under 3 s), {cpu:.2f} CPU s")
    once, each = np.max(memory, 0)
    print(
        f"optimize: peak of all processes {each:.0f} MB (goal: under 700 MB), {once:.0f} MB where a page that several "
        f"share counts once; load {os.getloadavg()[0]:.1f}"
    )
    (solved,) = tried["files"]
    models = sum(one["origin"].startswith("model") for one in solved["candidates"])
    before, now = solved["baseline"]["total"], solved["size"]["total"]
    print(f"optimize: {models} of {solved['tried']} lists are the model's; {before} to {now} bytes, {solved['origin']}")


def waited(command: list[str]) -> tuple[float, float]:
    """Seconds on the clock, and of CPU of a child and what it waited for, which workers cut off at its end are not."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    wall, now = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, now.ru_utime + now.ru_stime - before.ru_utime - before.ru_stime


def peak(command: list[str]) -> tuple[float, float]:
    """Megabytes that a child and all below it have at most, shared pages counted once (Pss), or in each (Rss)."""
    most = np.zeros(2)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            most = np.maximum(most, np.sum([held(each) for each in family(process.pid)], 0))
            time.sleep(0.01)
    return float(most[0]) / 1024, float(most[1]) / 1024


def family(process: int) -> Iterator[int]:
    """A process, and all that it and they have started."""
    yield process
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = path.read_text().split()
        except OSError:  # gone meanwhile
            continue
        for child in children:
            yield from family(int(child))


def held(process: int) -> tuple[int, int]:
    """Kilobytes: its part of what it shares, and all that it maps in memory; nothing for one that is gone."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0, 0
    found = dict(line.split()[:2] for line in lines[1:])
    return int(found["Pss:"]), int(found["Rss:"])


if __name__ == "__main__":
    main()
