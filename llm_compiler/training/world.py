"""The processes that train together: one, or those that torchrun started."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

_PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40": 362e12, "L4": 121e12, "4090": 165e12, "B200": 2_250e12}
"""bf16 operations a second without sparsity, from the makers' data sheets."""


class TrainingError(Exception):
    """Training that cannot begin or go on. The message is one line."""


@dataclass(frozen=True)
class World:
    """Who trains. Every rank runs the same code; collectives are no-ops where there is one."""

    rank: int
    size: int
    device: torch.device
    mesh: DeviceMesh
    saving: dist.ProcessGroup | None
    """A group of its own for checkpoints that are saved meanwhile: on the training's they would deadlock."""

    @property
    def first(self) -> bool:
        """Whether this rank is the one that writes and speaks."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all ranks, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def any(self, *flags: bool) -> list[bool]:
        """For each flag whether some rank raised it."""
        if self.size == 1:
            return list(flags)
        raised = torch.tensor(flags, dtype=torch.int32, device=self.device)
        dist.all_reduce(raised, dist.ReduceOp.MAX)
        return [bool(flag) for flag in raised.tolist()]

    def gathered(self, value: list[int]) -> list[int]:
        """The lists of all ranks, joined."""
        if self.size == 1:
            return value
        lists: list[list[int]] = [[] for _ in range(self.size)]
        dist.all_gather_object(lists, value)
        return sorted(one for each in lists for one in each)

    def wait(self) -> None:
        """Until all ranks are here."""
        if self.size > 1:
            dist.barrier()

    @property
    def memory(self) -> int:
        """The most bytes used so far: of the GPU, or of this process."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated()
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def peak(self) -> float | None:
        """Operations that a device of this kind does in a second at most, in bf16; None where nobody knows.

        A CPU's are measured, with a product of matrices.
        """
        if self.device.type == "cuda":
            name = torch.cuda.get_device_name()
            return next((peak for part, peak in _PEAKS.items() if part in name), None)
        size, best = 1_024, 0.0
        matrix = torch.ones(size, size, dtype=torch.bfloat16)
        for _ in range(5):
            begin = time.perf_counter()
            matrix @ matrix
            best = max(best, 2 * size**3 / (time.perf_counter() - begin))
        return best


@contextlib.contextmanager
def world() -> Iterator[World]:
    """Join the processes of torchrun, or be alone. TrainingError where this machine cannot."""
    alone = "RANK" not in os.environ
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    try:
        if alone:
            store: Any = dist.HashStore()
            dist.init_process_group(backend, store=store, rank=0, world_size=1)
        else:
            dist.init_process_group(backend)
    except (RuntimeError, ValueError) as error:
        raise TrainingError(f"the ranks do not find each other: {' '.join(str(error).split())[:200]}") from None
    try:
        mesh = init_device_mesh(device.type, (dist.get_world_size(),))
        saving = dist.new_group(backend="gloo") if cuda else None
        yield World(dist.get_rank(), dist.get_world_size(), device, mesh, saving)
    finally:
        dist.destroy_process_group()
