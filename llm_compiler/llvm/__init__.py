"""LLVM as a library: find it, call it, survive it."""
