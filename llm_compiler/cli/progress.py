"""The progress bar of every command that takes more than two seconds: on standard error, on a terminal only."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Bar:
    """Work done and left, time left, and a text of the command's own. A context manager; gone when it ends."""

    def __init__(self, total: int, unit: str) -> None:
        console = Console(stderr=True)
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("", total=total)

    def advance(self, steps: int = 1) -> None:
        """So many units of work are done."""
        self._progress.advance(self._task, steps)

    def say(self, text: str) -> None:
        """Show this text behind the bar."""
        self._progress.update(self._task, description=text)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


class Bars:
    """Bars of which each replaces the one before. A context manager."""

    def __init__(self) -> None:
        self._bar: Bar | None = None

    def next(self, total: int, unit: str, text: str) -> Bar:
        """The one that is shown from now on."""
        self.__exit__()
        self._bar = Bar(total, unit).__enter__()
        self._bar.say(text)
        return self._bar

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.__exit__()
            self._bar = None
