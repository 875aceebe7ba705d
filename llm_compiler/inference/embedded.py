"""The engine for small models on a CPU: onnxruntime under a tree of branches."""

from __future__ import annotations

import hashlib
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # since 1.29 it tells Microsoft what it runs

import onnxruntime

from llm_compiler.inference import graph
from llm_compiler.inference.engine import EngineError, Logits
from llm_compiler.inference.tree import Cache, Ids, TreeEngine

SHIPPED = "model.onnx"
"""The graph in a folder of a model that was made for this engine."""


class Embedded(TreeEngine):
    """A graph of graph.py that runs."""

    chunk = 512

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """On so many threads, by default one for each CPU that this process may use.

        EngineError for a file that is no such graph.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        options.log_severity_level = 4  # a damaged file is ours to report
        # Threads that wait for the next step take the CPU from whoever has work, the evaluation of pass lists first.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Without it CPUs before VNNI add products of bytes in 16 bits, and overflow.
        options.add_session_config_entry("session.x64quantprecision", "1")
        if not path.is_file():
            raise EngineError(f"{path} is no file")
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            about = self._session.get_modelmeta().custom_metadata_map
            version, self.context, self.vocabulary = (int(about[name]) for name in graph.ABOUT)
        except Exception as error:  # onnxruntime's have no common class but this
            raise EngineError(f"{path} is no model of this program, or is damaged") from error
        if version != graph.VERSION:
            raise EngineError(f"{path} was made by another version of this program")

    def _new_cache(self, capacity: int) -> Cache:
        return _Buffers(self._session, self.vocabulary, capacity)


class _Buffers:
    """The keys and values of each layer, (1, KV heads, capacity, head size), which onnxruntime appends to in place."""

    def __init__(self, session: onnxruntime.InferenceSession, vocabulary: int, capacity: int) -> None:
        self._session = session
        self._vocabulary = vocabulary
        self._binding = session.io_binding()
        shapes = {each.name: each.shape for each in session.get_inputs() if each.name.startswith("past_")}
        self._arrays: dict[str, npt.NDArray[np.float32]] = {}
        for name, (_, heads, _, size) in shapes.items():
            self._bind(name, np.empty((1, heads, capacity, size), np.float32))

    def run(self, tokens: Ids, positions: Ids, mask: npt.NDArray[np.float32], wanted: Ids) -> Logits:
        """As `Cache` says."""
        slots = mask.shape[1]
        feeds: dict[str, npt.NDArray[Any]] = {
            "tokens": tokens[None],
            "positions": positions[None],
            "mask": mask[None, None],
            "last_slot": np.array([slots - 1], np.int32),
            "slots": np.array(slots, np.int32),
            "wanted": wanted,
        }
        for name, value in feeds.items():
            self._binding.bind_cpu_input(name, value)
        logits = np.empty((len(wanted), self._vocabulary), np.float32)
        self._binding.bind_output("logits", "cpu", 0, np.float32, logits.shape, logits.ctypes.data)
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:
            raise EngineError(f"onnxruntime: {str(error).splitlines()[0]}") from error
        return logits

    def keep(self, slots: Ids, capacity: int) -> None:
        """As `Cache` says."""
        for name, old in self._arrays.items():
            _, heads, _, size = old.shape
            new = np.empty((1, heads, capacity, size), np.float32)
            new[:, :, : len(slots)] = old[:, :, slots]
            self._bind(name, new)

    def _bind(self, name: str, array: npt.NDArray[np.float32]) -> None:
        self._arrays[name] = array
        place = ("cpu", 0, np.float32, array.shape, array.ctypes.data)
        self._binding.bind_input(name, *place)
        self._binding.bind_output(name.replace("past_", "present_"), *place)


def load(folder: Path, quantisation: graph.Quantisation = "int8", threads: int | None = None) -> Embedded:
    """The model of a folder: its graph if it has one, else one that is made of its checkpoint and kept in the cache.

    EngineError for a folder without a Llama model, a damaged one, or one that is too large.
    """
    if not folder.is_dir():
        raise EngineError(f"{folder} is no folder")
    if (folder / SHIPPED).is_file():
        return Embedded(folder / SHIPPED, threads)
    built = cached(folder, quantisation)
    if not built.is_file():
        if find_spec("onnx") is None:
            raise EngineError(f"{folder} has no {SHIPPED}, and making one needs the package onnx: pip install onnx")
        try:
            graph.build(folder, built, quantisation)
        except OSError as error:
            raise EngineError(f"{built}: {error.strerror}") from None
    return Embedded(built, threads)


def cached(folder: Path, quantisation: graph.Quantisation) -> Path:
    """Where the graph of a checkpoint is kept. EngineError if the folder has none."""
    graph.read_shape(folder)
    files = [folder / "config.json", *graph.weight_files(folder)]
    stamps = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    key = hashlib.blake2b(repr((graph.VERSION, quantisation, stamps)).encode(), digest_size=16).hexdigest()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "llm-compiler" / "graphs" / f"{key}.onnx"
