"""What the commands print: tables, progress, warnings, errors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from ..solution.checks import Check
    from ..solution.solution import RedundancySolution
    from ..solution.summary import Summary


class _Console(Console):
    """Rich's, but a reader who has seen enough (``osimopt info … | head``) is no failure.

    What follows is not printed; files are still written, and the exit code stays the command's own.
    """

    def on_broken_pipe(self) -> None:
        """Print nothing more, instead of raising an error."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


console = _Console()
messages = _Console(stderr=True)

#: Warnings already printed: a result carries them too.
_warned: set[str] = set()

#: Muscles listed in the summary of a solution; all are in the files.
LISTED = 20


def say_error(text: str) -> None:
    """Print an error to stderr."""
    messages.print(f"[bold red]error:[/] {escape(text)}", soft_wrap=True, highlight=False)


def say_warning(text: str) -> None:
    """Print a warning to stderr, once."""
    if text in _warned:
        return
    _warned.add(text)
    messages.print(f"[yellow]warning:[/] {escape(text)}", soft_wrap=True, highlight=False)


def say(text: str) -> None:
    """Print a line."""
    console.print(escape(text), soft_wrap=True, highlight=False)


def print_table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; columns of numbers are right-aligned."""
    body = [[str(cell) for cell in row] for row in rows]
    console.print(f"[bold]{escape(title)}[/]", soft_wrap=True, highlight=False)
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for index, name in enumerate(head):
        numeric = all(row[index].lstrip("-+").replace(".", "").replace("e", "").isdigit() for row in body)
        drawn.add_column(name, justify="right" if numeric and body else "left", overflow="fold")
    for row in body:
        drawn.add_row(*map(escape, row))
    console.print(drawn)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a callback (done, in all) that moves a bar on stderr; nothing is drawn where that is not a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_solution(solution: RedundancySolution) -> None:
    """Peak force and activation of the strongest muscles, and every finding."""
    from ..solution.summary import Summary

    print_summary(Summary.of(solution), solution.provenance)


#: Colours of verdicts, and the width that they take.
VERDICTS = {"passes": "green", "fails": "bold red", "not known": "yellow"}
WIDTH = max(map(len, VERDICTS))


def print_checks(checks: Sequence[Check]) -> None:
    """Print what must hold before forces are interpreted: a line a check, with its limit and the limit's source."""
    failed = sum(check.passes is False for check in checks)
    counted = f" [bold red]({failed} of {len(checks)} fail)[/]" if failed else ""
    console.print(f"[bold]Checks[/]{counted}", soft_wrap=True, highlight=False)
    for check in checks:
        verdict = f"[{VERDICTS[check.verdict]}]{check.verdict:{WIDTH}}[/]"
        limit = f"; limit {check.limit} [dim]({check.source})[/]" if check.source else ""
        console.print(f"{verdict}  {escape(f'{check.name}: {check.found}')}{limit}", soft_wrap=True, highlight=False)


def print_summary(summary: Summary, provenance: Mapping[str, Any], more: Sequence[str] = ()) -> None:
    """Forces of the strongest muscles, ``more`` lines, the checks, and every finding."""
    muscles = summary.names[0]
    say(f"{summary.solved} of {summary.frames} frames solved, cost {provenance['cost']['formula']}, "
        f"solver {provenance['solver']['used']}, {provenance['solve_seconds']:.2f} s.")  # fmt: skip
    if summary.certified:
        say(f"Proved in {summary.certified} frames: no activation is further than {summary.activation_error:.1g} "
            "from its optimum.")  # fmt: skip
    if summary.solved:
        order = np.argsort(-summary.force)[:LISTED]
        rows = [
            (
                muscles[i],
                f"{summary.force[i]:.1f}",
                f"{summary.force_sum[i] / summary.solved:.1f}",
                f"{summary.activation[i]:.3f}",
            )
            for i in order
        ]
        left = len(muscles) - len(order)
        title = "Muscle forces" + (f" (the {LISTED} strongest; {left} more in the files)" if left else "")
        print_table(title, ("muscle", "peak N", "mean N", "peak activation"), rows)
    for line in more:
        say(line)
    if added := provenance.get("reserves_added"):
        say("Added: " + ", ".join(f"{name} ({force:g})" for name, force in added.items()))
    print_checks(summary.checks())
    for warning in provenance.get("warnings", []):
        say_warning(warning)
    for finding in summary.findings():
        say_warning(finding)
