"""``osimopt batch``: run a study."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..errors import InputError, explain
from .terminal import console, messages, print_table, say, say_error, say_warning

if TYPE_CHECKING:
    import pandas as pd

    from ..batch.study import Study

#: Rows of a table of jobs, or of failures, that are printed; the manifest has all.
LISTED = 30


def batch(
    study: Annotated[Path | None, typer.Argument(help="Study file (.toml).", show_default=False)] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder to write.", show_default="<name>_results beside the study"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Do jobs that are missing, failed or changed.")] = False,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processes, instead of the study's.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Dask scheduler for the jobs: tcp://host:8786.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the jobs and do none.")] = False,
    init: Annotated[bool, typer.Option("--init", help="Write an example to STUDY (default study.toml).")] = False,
) -> None:
    """Solve hundreds of trials, one row each, and continue where it was stopped.

    A trial that fails is a row of manifest.csv with its reason; jobs that are solved but fail a check (reserves,
    residuals) are counted. Exit code 0 all solved, 1 some jobs failed, 130 or 143 stopped.
    """
    from ..batch.runner import run_study
    from ..batch.study import read_study

    if init:
        _write_example(study or Path("study.toml"))
        return
    if study is None:
        raise InputError(explain("a study file (.toml)", "none", "osimopt batch --init writes an example."))
    read = read_study(study)
    if dry_run:
        _print_jobs(read)
        return
    statuses: Counter[str] = Counter()
    with _stopping() as stopped, _bar(statuses) as progress:
        folder = run_study(
            read, out, resume=resume, jobs=jobs, scheduler=scheduler, stop=lambda: bool(stopped), progress=progress
        )
    solved = _print_summary(folder, statuses)
    if stopped:
        say_error("Stopped. No finished job is lost: continue with --resume.")
        raise typer.Exit(128 + stopped[0])
    if not solved:
        raise typer.Exit(1)


@contextmanager
def _stopping() -> Iterator[list[int]]:
    """Give a list to which the first SIGINT or SIGTERM is added; a second one ends the process as without this."""
    received: list[int] = []
    before: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def receive(number: int, _: object) -> None:
        received.append(number)
        restore()

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, receive)
    try:
        yield received
    finally:
        restore()


@contextmanager
def _bar(statuses: Counter[str]) -> Iterator[Callable[[dict[str, Any], int, int], None]]:
    """Give run_study's ``progress``: it counts statuses and, where stderr is a terminal, moves a bar."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[failed]} failed"),
        TextColumn("{task.fields[failing]} fail a check"),
    )  # fmt: skip
    with Progress(*columns, console=messages, disable=not messages.is_terminal) as bar:
        task = bar.add_task("Jobs", total=None, failed=0, failing=0, rate="")

        def progress(row: dict[str, Any], done: int, total: int) -> None:
            statuses[row["status"]] += 1
            failing = bar.tasks[task].fields["failing"] + bool(row.get("checks_failed"))
            speed = bar.tasks[task].speed
            rate = f"{60.0 * speed:.3g}/min" if speed else ""
            failed = statuses.total() - statuses["solved"]
            bar.update(task, completed=done, total=total, failed=failed, failing=failing, rate=rate)

        yield progress


def print_verdict(manifest: pd.DataFrame) -> None:
    """Print the number of jobs by status and of failed checks; in green only where nothing failed."""
    from ..batch.journal import Verdict

    verdict = Verdict.of(manifest)
    colour = "green" if verdict.good else "bold red"
    console.print(f"[{colour}]In all: {escape(str(verdict))}.[/]", soft_wrap=True, highlight=False)


def _print_summary(folder: Path, statuses: Counter[str]) -> bool:
    """Print what was done; return whether every job is solved now."""
    from ..batch.journal import read_manifest

    done = ", ".join(f"{count} {status}" for status, count in statuses.most_common()) or "no job was left"
    manifest = read_manifest(folder)
    failed = manifest[manifest["status"] != "solved"]
    say(f"Done now: {done}.")
    if len(failed):
        rows = [(row["job"], row["status"], str(row["reason"]).splitlines()[0]) for _, row in failed.iterrows()]
        print_table(f"\nNot solved ({len(failed)})", ("job", "status", "reason"), rows, LISTED, " in manifest.csv")
    print_verdict(manifest)
    say(f"\nWritten to {folder}: manifest.csv, results, logs")
    return not len(failed)


def _print_jobs(study: Study) -> None:
    from ..batch.jobs import jobs_of

    rows, missing = [], 0
    for job in jobs_of(study):
        span = job.read.get("time_range")
        absent = [what for what, path in job.files.items() if not Path(path).exists()]
        missing += len(absent)
        when = f"{span[0]:g} to {span[1]:g} s" if span else "all"
        rows.append((job.name, Path(job.files["motion"]).name, when, ", ".join(absent)))
    print_table(f"{len(rows)} jobs", ("job", "motion", "time", "missing files"), rows, LISTED)
    if missing:
        say_warning(f"{missing} files of jobs are missing: these jobs would fail.")


def _write_example(path: Path) -> None:
    from ..files.storage import write_atomically

    if path.exists():
        raise InputError(explain("a new file for the example", "an existing file", "Choose another name.", path))
    example = Path(__file__).resolve().parent.parent / "batch" / "example.toml"
    write_atomically(path.absolute(), example.read_text(encoding="utf-8"))
    say(f"Written to {path}: change it, then osimopt batch {path} --dry-run")
