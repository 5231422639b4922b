"""The command that trains a surrogate."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import InputError, explain
from .options import Cache, Gain, Jobs, Lowpass, Model, Overwrite, Passive, Reserves, TimeRange, Weld, read_reserves
from .stopping import stoppable
from .terminal import messages, progress, say

if TYPE_CHECKING:
    from ..problem import RedundancyProblem
    from ..studies.static_surrogate import Trained

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
    str,
    typer.Option(
        "--architecture", help="set (any model), mlp, cnn, lstm, cnn+lstm or cnn+lstm+attention (these muscles only)."
    ),
]
Quick = Annotated[bool, typer.Option("--quick", help="A sixth of the frames and half the epochs, to see that it runs.")]


def train(
    model: Model,
    motions: Motions,
    external_loads: ManyLoads = None,
    generalized_force: ManyForces = None,
    variant: Variants = None,
    out: Out = Path("osimopt_surrogate"),
    cost: Annotated[str, typer.Option(help="A cost of exponent 2.")] = "activation_power",
    architecture: Kind = "set",
    width: Annotated[int, typer.Option(help="Units of a layer.")] = 32,
    depth: Annotated[int, typer.Option(help="Layers; rounds of a set network.")] = 4,
    window: Annotated[int, typer.Option(help="Frames in a row that architectures with a history see.")] = 1,
    frames: Annotated[int, typer.Option(help="Varied frames to train on: other strengths, sizes, loads.")] = 24000,
    epochs: Annotated[int, typer.Option(help="Passes over the frames at most.")] = 30,
    batch_size: Annotated[int, typer.Option(help="Frames of a step.")] = 256,
    optimizer: Annotated[str, typer.Option(help="adam, adamw, sgd, momentum, adagrad, rmsprop or lbfgs.")] = "adamw",
    learning_rate: Annotated[float, typer.Option(help="Largest learning rate.")] = 4e-3,
    schedule: Annotated[str, typer.Option(help="Of the learning rate: cosine, plateau or constant.")] = "cosine",
    patience: Annotated[int, typer.Option(help="Epochs without a better validation loss before it ends.")] = 15,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, ….")] = "cpu",
    mixed_precision: Annotated[bool, typer.Option("--mixed-precision", help="bfloat16 on an accelerator.")] = False,
    quick: Quick = False,
    time_range: TimeRange = None,
    lowpass_hz: Lowpass = None,
    reserves: Reserves = "auto",
    weld: Weld = None,
    passive_force: Passive = False,
    gain: Gain = "opensim",
    cache: Cache = None,
    jobs: Jobs = None,
    overwrite: Overwrite = False,
) -> None:
    """Train a surrogate of static optimization on motions, and judge it on parts of them that it never saw.

    Motions are split by time (five and more as wholes); what is trained on is varied and solved exactly. Stopped with
    Ctrl-C, the same command goes on where it was, to the same result.
    """
    from ..results import check_target
    from ..surrogate.architecture import Architecture
    from ..surrogate.training import TrainingOptions

    shape = Architecture(architecture, width, depth)  # type: ignore[arg-type]
    options = TrainingOptions(
        max(1, epochs // 2) if quick else epochs, batch_size, optimizer, learning_rate, schedule, patience,  # type: ignore[arg-type]
        seed=seed, device=device, mixed_precision=mixed_precision,
    )  # fmt: skip
    check_target(out.absolute(), overwrite)
    trials = _trials([model, *(variant or [])], motions, external_loads, generalized_force)
    read: dict[str, Any] = {
        "time_range": time_range, "lowpass_hz": lowpass_hz, "reserves": read_reserves(reserves), "cache": cache,
        "weld": tuple(weld or ()), "passive_force": passive_force, "gain": gain, "n_jobs": jobs,
    }  # fmt: skip
    how: dict[str, Any] = {
        "architecture": shape, "cost": cost, "options": options, "frames": frames // 6 if quick else frames,
        "window": window,
    }  # fmt: skip
    with stoppable(out):
        _train(out, overwrite, trials, read, how)


def _train(
    out: Path, overwrite: bool, trials: Sequence[dict[str, Any]], read: dict[str, Any], how: dict[str, Any]
) -> None:
    from ..studies.static_surrogate import train_static_surrogate

    problems = _problems(trials, read)
    checkpoint = out.absolute().with_name(f".{out.name}.training")
    say(f"Training on {len(problems)} trials; interrupted, it goes on from {checkpoint}")
    with epochs_line() as told:
        trained = train_static_surrogate(problems, **how, checkpoint=checkpoint, progress=told)
    folder = _write(trained, out, overwrite)
    shutil.rmtree(checkpoint, ignore_errors=True)
    for line in _lines(trained):
        say(line)
    say(f"\nWritten to {folder}")


def _trials(
    models: Sequence[Path], motions: Sequence[Path], loads: Sequence[Path] | None, forces: Sequence[Path] | None
) -> list[dict[str, Any]]:
    """The first arguments of ``load_problem``, for every model and motion."""
    for name, files in (("--external-loads", loads), ("--generalized-force", forces)):
        if files and len(files) != len(motions):
            fix = f"Give {name} once for each motion, in their order."
            raise InputError(explain(f"{len(motions)} of {name}, as there are motions", f"{len(files)}", fix))
    return [
        {
            "model": model,
            "motion": motion,
            "external_loads": loads[number] if loads else None,
            "generalized_force": forces[number] if forces else None,
        }
        for model in models
        for number, motion in enumerate(motions)
    ]


def _problems(trials: Sequence[dict[str, Any]], read: dict[str, Any]) -> list[RedundancyProblem]:
    from .. import load_problem

    problems = []
    for number, trial in enumerate(trials, 1):
        with progress(f"Reading trial {number} of {len(trials)}") as moved:
            problems.append(load_problem(**trial, **read, progress=moved))
    return problems


def _write(trained: Trained, out: Path, overwrite: bool) -> Path:
    import json

    import numpy as np

    from ..report.training import draw_training
    from ..static.solve import solve_static
    from ..tables import write_atomically

    folder = trained.surrogate.save(out, overwrite=overwrite)
    history, test = trained.history, trained.split.test
    told = {"training": history.training, "validation": history.validation, "learning_rate": history.rate}
    whole = {**told, "seconds": history.seconds, "best_epoch": history.best_epoch, "accuracy": trained.accuracy}
    write_atomically(folder / "training.json", json.dumps(whole, indent=2) + "\n")
    exact = [solve_static(one, trained.surrogate.cost, on_failure="return").activation.ravel() for one in test]
    found = [trained.surrogate.predict(one).activation.ravel() for one in test]
    known = np.isfinite(np.concatenate(exact))
    draw_training(
        history.training, history.validation, history.best_epoch,
        np.concatenate(found)[known], np.concatenate(exact)[known], folder / "training.png",
    )  # fmt: skip
    return folder


def _lines(trained: Trained) -> list[str]:
    told, history = trained.accuracy, trained.history
    raw, free = told["raw"], told["unconstrained"]
    return [
        f"Kept epoch {history.best_epoch} of {len(history.training)}, {history.seconds:.0f} s.",
        f"On {told['frames']} frames that it never saw, before any Newton step: RMSE {raw['rmse']:.4f}, "
        f"R {raw['r']:.4f} "
        f"(without a network: {free['rmse']:.4f}, {free['r']:.4f}).",
        f"Newton steps to the exact answer: {told['steps_median']:.0f} (cold {told['steps_cold_median']:.0f}), "
        f"{100.0 * told['fallback_share']:.1f} % of the frames to the exact solver, certified within "
        f"{told['largest_bound']:.1g} of the optimum.",
    ]


@contextmanager
def epochs_line() -> Iterator[Callable[[int, int, float, float], None]]:
    """Give a callback (epoch, epochs, training loss, validation loss) that moves a bar on stderr."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as bar:
        task = bar.add_task("Solving what to train on", total=None)

        def moved(epoch: int, epochs: int, training: float, validation: float) -> None:
            text = f"Training, loss {training:.3g}, validation {validation:.3g}"
            bar.update(task, description=text, completed=epoch, total=epochs)

        yield moved
