"""Output of the commands: tables, progress, warnings, errors and summaries of solutions; and what Ctrl-C leaves."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from ..dynamic.solution import DynamicSolution
    from ..solution.checks import Check
    from ..solution.solution import RedundancySolution
    from ..solution.summary import Summary

#: Muscles listed in the summary of a solution; all are in the files.
LISTED = 20
#: Colours of the results of checks.
VERDICTS = {"passes": "green", "fails": "bold red", "not known": "yellow"}


class _Console(Console):
    """Rich's console, for which a reader that closes the pipe (``osimopt info … | head``) is not an error.

    Nothing more is printed then; files are still written, and the exit code is the command's.
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


def say(text: str) -> None:
    """Print a line."""
    console.print(escape(text), soft_wrap=True, highlight=False)


def say_error(text: str) -> None:
    """Print an error to stderr."""
    messages.print(f"[bold red]error:[/] {escape(text)}", soft_wrap=True, highlight=False)


def say_warning(text: str) -> None:
    """Print a warning to stderr, once."""
    if text not in _warned:
        _warned.add(text)
        messages.print(f"[yellow]warning:[/] {escape(text)}", soft_wrap=True, highlight=False)


def print_table(
    title: str, head: Sequence[str], rows: Iterable[Sequence[object]], most: int | None = None, where: str = ""
) -> None:
    """Print a table, columns of numbers right-aligned; after ``most`` rows only the number of the others (where)."""
    whole = [[str(cell) for cell in row] for row in rows]
    body = whole[:most]
    console.print(f"[bold]{escape(title)}[/]", soft_wrap=True, highlight=False)
    drawn = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for index, name in enumerate(head):
        numeric = all(row[index].lstrip("-+").replace(".", "").replace("e", "").isdigit() for row in body)
        drawn.add_column(name, justify="right" if numeric and body else "left", overflow="fold")
    for row in body:
        drawn.add_row(*map(escape, row))
    console.print(drawn)
    if len(whole) > len(body):
        say(f"({len(whole) - len(body)} more{where})")


@contextmanager
def progress(what: str) -> Iterator[Callable[..., None]]:
    """Give a callback (done, total) that moves a bar on stderr if that is a terminal.

    A network's training also passes its two losses, which replace the text.
    """
    if not messages.is_terminal:
        yield lambda *_: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def moved(done: int, total: int, *losses: float) -> None:
            text = "Training, loss {:.3g}, validation {:.3g}".format(*losses) if losses else what
            bar.update(task, description=text, completed=done, total=total)

        yield moved


@contextmanager
def stoppable(out: Path) -> Iterator[None]:
    """Remove empty new folders of a result that was not written to ``out``; at Ctrl-C exit with code 130."""
    folder = out.absolute()
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    before = _inode(folder)
    try:
        yield
    except BaseException as error:
        for one in new:
            with contextlib.suppress(OSError):  # not empty, or not made
                one.rmdir()
        if not isinstance(error, KeyboardInterrupt):
            raise
        written = "Nothing was written." if _inode(folder) == before else f"Results are in {folder}."
        say_error(f"Stopped by the user. {written}")
        raise typer.Exit(130) from None


def _inode(folder: Path) -> int | None:
    """Inode of a folder, which differs from that of another folder in its place."""
    return folder.stat().st_ino if folder.exists() else None


def print_checks(checks: Sequence[Check]) -> None:
    """Print the checks, one per line, with the limit and the limit's source."""
    failed = sum(check.passes is False for check in checks)
    counted = f" [bold red]({failed} of {len(checks)} fail)[/]" if failed else ""
    console.print(f"[bold]Checks[/]{counted}", soft_wrap=True, highlight=False)
    for check in checks:
        verdict = f"[{VERDICTS[check.verdict]}]{check.verdict:{max(map(len, VERDICTS))}}[/]"
        limit = f"; limit {check.limit} [dim]({check.source})[/]" if check.source else ""
        console.print(f"{verdict}  {escape(f'{check.name}: {check.found}')}{limit}", soft_wrap=True, highlight=False)


def draw(figure: str, path: Path, *what: Any) -> None:
    """Draw one of ``report.figures`` beside results that are on the disk; where it fails, only a warning is given."""
    try:
        from ..report import figures

        getattr(figures, f"draw_{figure}")(*what, path)
    except Exception as error:  # of matplotlib, its fonts or the disk: the results do not depend on it
        path.unlink(missing_ok=True)
        reason = f"{type(error).__name__}: {error}"
        say_warning(f"{path.name} could not be drawn ({reason}). The results are complete in {path.parent.absolute()}.")


def print_solution(solution: RedundancySolution) -> None:
    """Print the summary of a solution."""
    from ..solution.summary import Summary

    print_summary(Summary.of(solution), solution.provenance)


def print_summary(summary: Summary, provenance: Mapping[str, Any], more: Sequence[str] = ()) -> None:
    """Print forces of the strongest muscles, ``more`` lines, the checks, and findings."""
    muscles, force = summary.names[0], summary.force
    say(f"{summary.solved} of {summary.frames} frames solved, cost {provenance['cost']['formula']}, "
        f"solver {provenance['solver']['used']}, {provenance['solve_seconds']:.2f} s.")  # fmt: skip
    if summary.certified:
        say(f"Proved in {summary.certified} frames: no activation is further than {summary.activation_error:.1g} "
            "from its optimum.")  # fmt: skip
    if summary.solved:
        means = summary.force_sum / summary.solved
        rows = [
            (muscles[i], f"{force[i]:.1f}", f"{means[i]:.1f}", f"{summary.activation[i]:.3f}")
            for i in np.argsort(-force)
        ]
        head = ("muscle", "peak N", "mean N", "peak activation")
        print_table("Muscle forces, the strongest first", head, rows, LISTED, " in the files")
    if summary.solved and summary.joints is not None:
        head = ("joint", "peak N", "body weights", "at s")
        through = [
            (joint, f"{peak:.1f}", f"{weights:.2f}", f"{at:g}") for joint, peak, weights, at in summary.joints.rows()
        ]
        print_table("Forces through joints", head, through, LISTED, " in joint_reactions.sto")
    for line in more:
        say(line)
    if added := provenance.get("reserves_added"):
        say("Added: " + ", ".join(f"{name} ({force:g})" for name, force in added.items()))
    print_checks(summary.checks())
    for line in [*provenance.get("warnings", []), *summary.findings()]:
        say_warning(line)


@contextmanager
def iterations() -> Iterator[Callable[..., None]]:
    """Give a callback that moves a line on stderr, where that is a terminal.

    It takes (iteration, objective, violation), or (windows done, windows in all) of a long motion, which add the time
    that is left. A round is a mesh, or windows that are solved together; each begins with iteration 0.
    """
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as line:
        task = line.add_task("Solving (Ctrl-C stops)", total=None)
        rounds, begun, at, left = 0, perf_counter(), "", ""

        def moved(*numbers: float) -> None:
            nonlocal rounds, at, left
            if len(numbers) == 2:
                done, total = numbers
                seconds = (perf_counter() - begun) * (total / done - 1.0)
                left = f" window {done:.0f} of {total:.0f}, {seconds / 60.0:.0f} min {seconds % 60.0:02.0f} s left,"
            else:
                iteration, objective, violation = numbers
                rounds += iteration == 0
                at = f"iteration {iteration}, objective {objective:.6g}, equations missed by {violation:.1e}"
            line.update(task, description=f"Solving, round {rounds}:{left} {at} (Ctrl-C stops)")

        yield moved


def objective_and_mesh(solution: Any) -> list[str]:
    """Lines about a dynamic solution; none about any other."""
    if not hasattr(solution, "mesh_edges"):
        return []
    terms = ", ".join(f"{name.replace('_', ' ')} {value:.5g}" for name, value in solution.integrals.items())
    if (share := solution.penalty_share) > 0.0:
        terms += f"; the derivative penalty is {100.0 * share:.2g} %"
    scales = ", ".join(f"{name} {scale:.3g}" for name, scale in solution.emg_scale.items())
    followed = [f"Scale factors of EMG: {scales}."] if scales else []
    objective = f"Objective {solution.total_objective:.6g}: {terms}."
    return [objective, *followed, _mesh(solution), *_integrated(solution)]


def _integrated(solution: DynamicSolution) -> list[str]:
    """Error of forward integration; a finding reports an integration that failed."""
    check = solution.check
    if check is None or not (np.isfinite(check.activation_error).all() and np.isfinite(check.force_error).all()):
        return []
    return [
        f"Forward integration of the excitations: activations within {check.activation_error.max(initial=0.0):.2g}, "
        f"tendon forces within {100.0 * check.force_error.max(initial=0.0):.2g} % of their peaks."
    ]


def _mesh(solution: DynamicSolution) -> str:
    rounds, mesh = solution.provenance["rounds"], solution.provenance["mesh"]
    name, edges = mesh["transcription"], solution.mesh_edges
    least = (edges[-1] - edges[0]) / mesh["interval"] - 0.5  # a window has fewer intervals than any mesh of the whole
    whole = [one for one in rounds if one["windows"] == 1 and one["intervals"] > least]
    if not whole:
        count, most = solution.provenance["windows"]["count"], max(one["iterations"] for one in rounds)
        sizes = f"{len(edges) - 1} intervals, {name}, {len(solution.time)} points"
        return f"Mesh: {sizes}; {count} windows, of at most {most} iterations."
    counts = " → ".join(str(one["intervals"]) for one in whole)
    last, steps = whole[-1], sum(one["iterations"] for one in rounds)
    ahead = [one for one in rounds if one not in whole]
    first = "".join(f", {one['iterations']} of them in {one['windows']} windows that went ahead" for one in ahead)
    parts = f"; {last['parts']} parts solved in parallel" if last["parts"] > 1 else ""
    return f"Mesh: {counts} intervals, {name}, {last['points']} points; {steps} iterations{first}{parts}."
