"""Presets, tokenizer and weights: what a model is made of; it knows nothing of LLVM."""
