"""Proposals that the compiler has checked."""
