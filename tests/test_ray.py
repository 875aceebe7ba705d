"""The same functions on a Ray cluster: one of two workers on this machine."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.small_projects import CLAMP, MIXED, TEST, TRAIN, leftovers, llmc, product, write

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra `cluster` (Ray) is not installed"),
    pytest.mark.slow,
]


def ray_processes() -> set[int]:
    """Every process of Ray's on this machine."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if b"raylet" in words or b"gcs_server" in words or words.startswith(b"ray::"):
                found.add(int(folder.name))
    return found


def test_a_local_ray_with_two_workers_gives_the_same_bytes_and_leaves_nothing_behind(tmp_path):
    projects = [
        write(tmp_path / TRAIN, MIXED),
        write(tmp_path / TEST, {"clamp.c": CLAMP}),
        write(tmp_path / "empty", {"README": "nothing to compile\n"}),
    ]
    before = ray_processes()
    here = llmc("corpus", "build", *projects, "--out", tmp_path / "here", "-j", 1)
    assert here.returncode == 0, here.stderr
    there = llmc("corpus", "build", *projects, "--out", tmp_path / "there", "-j", 1, "--ray", "local")
    assert there.returncode == 0, there.stderr
    assert ray_processes() == before
    assert product(tmp_path / "there") == product(tmp_path / "here")
    assert not leftovers(tmp_path / "there")
    for work in ("done.json", "part-00000.parquet"):
        names = [
            sorted(path.parent.name for path in (tmp_path / out).glob(f"work/*/{work}")) for out in ("here", "there")
        ]
        assert names[0] == names[1]
    # What Ray built, a build without it takes as its own.
    data = {path: path.stat().st_mtime_ns for path in (tmp_path / "there").rglob("*.parquet")}
    assert llmc("corpus", "build", *projects[:2], "--out", tmp_path / "there", "-j", 1).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "there").rglob("*.parquet")} == data
