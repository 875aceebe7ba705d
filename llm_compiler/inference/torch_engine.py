"""The engine for checkpoints on a GPU or a large CPU: transformers under a tree of branches.

Needs torch and transformers, which the plain installation has not: they are imported when a model is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from llm_compiler.inference import graph
from llm_compiler.inference.engine import EngineError, Logits
from llm_compiler.inference.tree import Cache, Ids, TreeEngine

if TYPE_CHECKING:
    import torch

_NEEDS = "this engine needs torch and transformers: pip install 'llm-compiler[train]'"


class Transformers(TreeEngine):
    """A folder in Hugging Face's layout with a Llama model, such as Meta's `llm-compiler-7b-ftd`."""

    chunk = 2_048

    def __init__(self, folder: Path, device: str | None = None, dtype: str = "bfloat16") -> None:
        """On a device of torch's, by default a GPU if there is one, with numbers of one of its types.

        EngineError for a folder without a Llama model or with a damaged one, for a device that is not there, and
        without torch.
        """
        shape = graph.read_shape(folder)
        graph.Checkpoint(folder)  # says what is damaged
        try:
            import torch
            import transformers
        except ImportError:
            raise EngineError(_NEEDS) from None
        try:
            model: Any = transformers.AutoModelForCausalLM.from_pretrained(
                folder, dtype=getattr(torch, dtype), local_files_only=True, attn_implementation="sdpa"
            )
            self._model = model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()
        except Exception as error:  # of torch, transformers or safetensors, by what is wrong
            raise EngineError(f"{folder}: {(str(error).splitlines() or [type(error).__name__])[0]}") from error
        self.context, self.vocabulary = shape.context, shape.vocabulary

    def _new_cache(self, capacity: int) -> Cache:
        return _Grown(self._model)


class _Grown:
    """A cache of transformers', which grows by itself: capacity is no matter."""

    def __init__(self, model: Any) -> None:
        import torch
        import transformers

        self._torch = torch
        self._model = model
        self._cache: Any = transformers.DynamicCache()

    def run(self, tokens: Ids, positions: Ids, mask: npt.NDArray[np.float32], wanted: Ids) -> Logits:
        """As `Cache` says."""
        with self._torch.inference_mode():
            output = self._model(
                input_ids=self._on_device(tokens)[None],
                position_ids=self._on_device(positions)[None],
                attention_mask=self._on_device(mask).to(self._model.dtype)[None, None],
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=self._on_device(wanted),
            )
            logits: Logits = output.logits[0].float().cpu().numpy()
        return logits

    def keep(self, slots: Ids, capacity: int) -> None:
        """As `Cache` says."""
        chosen = self._on_device(slots)
        with self._torch.inference_mode():
            for layer in self._cache.layers:
                layer.keys = layer.keys.index_select(2, chosen)
                layer.values = layer.values.index_select(2, chosen)

    def _on_device(self, array: npt.NDArray[Any]) -> torch.Tensor:
        return self._torch.from_numpy(array).to(self._model.device)
