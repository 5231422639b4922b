"""The command that trains a surrogate."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..adapters.options import ReadOptions
from ..errors import InputError, explain
from .options import Cache, Jobs, Model, Overwrite, read_options, takes
from .terminal import messages, progress, say, stoppable

if TYPE_CHECKING:
    from ..problem.problem import RedundancyProblem


class Kinds(StrEnum):
    """What is optimized."""

    static = "static"
    dynamic = "dynamic"


Motions = Annotated[list[Path], typer.Argument(help="Motions (.mot, .sto), one or more.", show_default=False)]
ManyLoads = Annotated[
    list[Path] | None, typer.Option("--external-loads", "-l", help="ExternalLoads (.xml), one for each motion.")
]
ManyForces = Annotated[
    list[Path] | None, typer.Option("--generalized-force", "-g", help="Moments (.sto) instead, one for each motion.")
]
Variants = Annotated[
    list[Path] | None, typer.Option("--variant", help="Another model (.osim) of the same motions; may be repeated.")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the surrogate.")]
Kind = Annotated[
    Kinds, typer.Option(help="static, or dynamic: with activation dynamics and elastic tendons, of one model.")
]
Shape = Annotated[
    str | None,
    typer.Option(
        "--architecture",
        help="set (static only; serves any model), mlp, cnn, lstm, cnn+lstm, cnn+lstm+attention, …: static of these "
        "muscles only, dynamic of each muscle's series.",
        show_default="set; dynamic: cnn",
    ),
]
Quick = Annotated[bool, typer.Option("--quick", help="Few frames or solutions, half the epochs: to see that it runs.")]


def _number(text: str, default: str) -> Any:
    return typer.Option(help=text, show_default=default)


def _static(text: str, default: str) -> Any:
    return typer.Option(help=text, show_default=default, rich_help_panel="Options of --kind static")


def _dynamic(text: str, default: str) -> Any:
    return typer.Option(help=text, show_default=default, rich_help_panel="Options of --kind dynamic")


@takes(ReadOptions, leave=("external_loads", "generalized_force", "geometry", "speeds"))
def train(
    model: Model,
    motions: Motions,
    external_loads: ManyLoads = None,
    generalized_force: ManyForces = None,
    kind: Kind = Kinds.static,
    variant: Variants = None,
    out: Out = Path("osimopt_surrogate"),
    architecture: Shape = None,
    width: Annotated[int | None, _number("Units of a layer.", "32; dynamic: 16")] = None,
    depth: Annotated[int | None, _number("Layers; rounds of a set network.", "4; dynamic: 3")] = None,
    epochs: Annotated[int | None, _number("Passes over the data at most.", "30; dynamic: 60")] = None,
    batch_size: Annotated[int | None, _number("Frames of a step; dynamic: solutions.", "256; dynamic: 4")] = None,
    optimizer: Annotated[str, typer.Option(help="adam, adamw, sgd, momentum, adagrad, rmsprop or lbfgs.")] = "adamw",
    learning_rate: Annotated[float | None, _number("Largest learning rate.", "4e-3; dynamic: 5e-3")] = None,
    schedule: Annotated[str, typer.Option(help="Of the learning rate: cosine, plateau or constant.")] = "cosine",
    patience: Annotated[
        int | None, _number("Epochs without a better validation loss before it ends.", "15; dynamic: 30")
    ] = None,
    cost: Annotated[str | None, _static("A cost of exponent 2.", "activation_power")] = None,
    window: Annotated[int | None, _static("Frames in a row that architectures with a history see.", "1")] = None,
    frames: Annotated[int | None, _static("Varied frames to train on: other strengths, sizes, loads.", "24000")] = None,
    duration: Annotated[float | None, _dynamic("s of a dynamic solution.", "1.2")] = None,
    solutions: Annotated[
        Path | None, _dynamic("Folder where dynamic solutions are kept, to train again without solving.", "not kept")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, ….")] = "cpu",
    mixed_precision: Annotated[bool, typer.Option("--mixed-precision", help="bfloat16 on an accelerator.")] = False,
    quick: Quick = False,
    cache: Cache = None,
    jobs: Jobs = None,
    overwrite: Overwrite = False,
    **reading: Any,
) -> None:
    """Train a surrogate on motions, and judge it on parts of them that it never saw.

    Motions are split by time (five and more as wholes); what is trained on is varied and solved exactly. Stopped with
    Ctrl-C, the same command goes on where it was, to the same result. For muscle paths there is osimopt fit-geometry
    --networks.
    """
    from ..pipeline.methods import refuse_forces
    from ..solution.folder import check_target
    from .training import KINDS

    shape = {"kind": architecture, "width": width, "depth": depth}
    options = {
        "epochs": epochs, "batch_size": batch_size, "optimizer": optimizer, "learning_rate": learning_rate,
        "schedule": schedule, "patience": patience, "seed": seed, "device": device, "mixed_precision": mixed_precision,
    }  # fmt: skip
    own = {"cost": cost, "window": window, "frames": frames, "solutions": solutions, "duration": duration}
    run: Any = KINDS[kind.value].of(_given(shape), _given(options), _given(own), quick)
    trials = _trials([model, *(variant or [])], motions, external_loads, generalized_force, reading)
    if kind.value == "dynamic":
        refuse_forces(trials[0], "a dynamic surrogate")
    check_target(out.absolute(), overwrite)
    with stoppable(out):
        problems = _problems(trials, jobs, cache)
        checkpoint = out.absolute().with_name(f".{out.name}.training")
        say(f"Training on {len(problems)} trials; interrupted, it goes on from {checkpoint}")
        with epochs_line() as told:
            trained = run.train(problems, checkpoint, told)
        folder = run.write(trained, out, overwrite)
        shutil.rmtree(checkpoint, ignore_errors=True)
        for line in run.lines(trained):
            say(line)
        say(f"\nWritten to {folder}")


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _trials(
    models: Sequence[Path],
    motions: Sequence[Path],
    loads: Sequence[Path] | None,
    forces: Sequence[Path] | None,
    reading: dict[str, Any],
) -> list[ReadOptions]:
    """What to read, for every model and motion."""
    files = {"external_loads": loads, "generalized_force": forces}
    for name, given in files.items():
        if given and len(given) != len(motions):
            flag = "--" + name.replace("_", "-")
            fix = f"Give {flag} once for each motion, in their order."
            raise InputError(explain(f"{len(motions)} of {flag}, as there are motions", f"{len(given)}", fix))
    return [
        read_options(model, motion, {**reading, **{name: given[number] for name, given in files.items() if given}})
        for model in models
        for number, motion in enumerate(motions)
    ]


def _problems(trials: Sequence[ReadOptions], jobs: int | None, cache: Path | None) -> list[RedundancyProblem]:
    from ..adapters.load import read_problem

    problems = []
    for number, trial in enumerate(trials, 1):
        with progress(f"Reading trial {number} of {len(trials)}") as moved:
            problems.append(read_problem(trial, jobs, cache, moved))
    return problems


@contextmanager
def epochs_line() -> Iterator[Callable[..., None]]:
    """Give a callback that moves a bar on stderr, for solutions (done, in all) and then for epochs, with two losses."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as bar:
        task = bar.add_task("Solving what to train on", total=None)

        def moved(done: int, total: int, *losses: float) -> None:
            text = "Solving what to train on"
            if losses:
                text = f"Training, loss {losses[0]:.3g}, validation {losses[1]:.3g}"
            bar.update(task, description=text, completed=done, total=total)

        yield moved
