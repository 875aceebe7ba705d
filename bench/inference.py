"""Engines on a CPU: the embedded one beside transformers, with the same random weights, in one run.

    python bench/inference.py --engines [--models nano small] [--threads 1]

Every engine has a process of its own. Rates are of CPU time, since a machine that does other work as well makes wall
time long; wall time is beside it. transformers reads a prompt in one pass with PyTorch's fused attention, its fastest
way. Rates of reading are of a whole prompt; those of making tokens are the median of single steps behind it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from llm_compiler.inference.embedded import Embedded, load
from llm_compiler.model.shape import PRESETS, to_config

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", action="store_true")
    parser.add_argument("--models", nargs="+", default=["nano", "small"], choices=PRESETS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--one", nargs=2, metavar=("ENGINE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one[0], Path(options.one[1]), options.threads)))
    elif options.engines:
        with tempfile.TemporaryDirectory() as home:
            os.environ["XDG_CACHE_HOME"] = home
            for name in options.models:
                engines(name, Path(home) / name, options.threads)
    else:
        parser.error("nothing to do: --engines")


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


if __name__ == "__main__":
    sys.exit(main())
