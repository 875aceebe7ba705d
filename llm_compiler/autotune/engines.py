"""Where searches run: in workers of this machine, or as Ray tasks, each with a worker of its own.

Work comes as parts, each a name and its tasks; it goes back as parts, each a name and its records.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from llm_compiler.autotune.label import Trial, Tried
from llm_compiler.autotune.searcher import Searcher, Task
from llm_compiler.llvm.workers import Failure, Limits, Workers

Part = tuple[str, list[Task]]
Records = tuple[str, list[Tried]]
_TRIES = 3
"""How often Ray begins a part again when the machine that had it is gone."""


def here(
    searcher: Searcher, work: Iterable[Part], jobs: int, seconds: float, on_record: Callable[[Tried], object]
) -> Iterator[Records]:
    """Do the parts in order, `jobs` units at once; `seconds` are what one evaluation may take."""
    waiting: deque[Part] = deque()

    def tasks() -> Iterator[Task]:
        for part in work:
            waiting.append(part)
            yield from part[1]

    records: list[Tried] = []
    with Workers[Task, list[Any]](searcher, count=jobs, limits=Limits(seconds=seconds)) as workers:
        for answer in workers.map(tasks()):
            name, of_part = waiting[0]
            record = _record(of_part[len(records)], answer)
            on_record(record)
            records.append(record)
            if len(records) == len(of_part):
                waiting.popleft()
                yield name, records
                records = []


def _record(task: Task, answer: list[Any] | Failure) -> Tried:
    steps = [answer] if isinstance(answer, Failure) else answer
    last = steps[-1]
    if isinstance(last, Tried):
        return last
    why = last if isinstance(last, Failure) else Failure("crashed", "the search ended without a record")
    return Tried(task.unit, 0, (Trial("", None, why.reason, why.detail),), 0, "")


def on_ray(
    searcher: Searcher, work: Iterable[Part], address: str, seconds: float, on_record: Callable[[Tried], object]
) -> Iterator[Records]:
    """Do the parts on a Ray cluster, in whatever order they are done."""
    import ray  # the extra `cluster`

    ray.init(address=address, log_to_driver=False, ignore_reinit_error=True, configure_logging=False)
    slots = int(sum(node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"])) + 1
    remote = ray.remote(num_cpus=1, max_retries=_TRIES)(_elsewhere)
    function = ray.put(searcher)
    remaining = iter(work)
    running: dict[Any, str] = {}
    try:
        while True:
            while len(running) < slots and (part := next(remaining, None)) is not None:
                running[remote.remote(function, part, seconds)] = part[0]
            if not running:
                return
            (done,), _ = ray.wait(list(running), num_returns=1)
            records = ray.get(done)
            for record in records:
                on_record(record)
            yield running.pop(done), records
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
        ray.shutdown()


def _elsewhere(searcher: Searcher, part: Part, seconds: float) -> list[Tried]:
    ((_, records),) = here(searcher, [part], 1, seconds, lambda _: None)
    return records
