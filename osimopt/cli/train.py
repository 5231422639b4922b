"""``osimopt train``: train a surrogate on motions, write its folder, and print its accuracy on held-out parts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from ..adapters.options import ReadOptions
from ..errors import InputError, explain
from . import options
from .terminal import draw, progress, say, stoppable
from .training_trials import Kinds, check_lengths, known_options, problems_of, refuse_geometry, trials_of

if TYPE_CHECKING:
    from ..training.dynamic_surrogate import TrainedDynamic
    from ..training.static_surrogate import TrainedStatic

#: A training: (problems, folder of its checkpoint, callback of its progress) to a trained surrogate.
Run = Callable[[Sequence[Any], Path, Callable[..., None]], Any]
#: Options of one kind only.
STATIC, DYNAMIC = ("cost", "window", "frames"), ("duration", "sizes", "strengths", "solutions")
#: A quick run has this fraction of the static frames and half of the epochs.
QUICK = 6


def _factors(text: str, default: str) -> Any:
    kind, metavar = "Options of --kind dynamic", "LEAST MOST"
    return typer.Option(help=text, metavar=metavar, show_default=default, rich_help_panel=kind)


def _option(text: str, default: str, kind: str | None = None) -> Any:
    panel = f"Options of --kind {kind}" if kind else None
    return typer.Option(help=text, show_default=default, rich_help_panel=panel)


Many = list[Path] | None
Whole = int | None
Motions = Annotated[list[Path], typer.Argument(help="Motions (.mot, .sto), one or more.", show_default=False)]
ManyLoads = Annotated[Many, typer.Option("--external-loads", "-l", help="ExternalLoads (.xml), one for each motion.")]
ManyForces = Annotated[Many, typer.Option("--generalized-force", "-g", help="Moments (.sto) instead, one per motion.")]
Variants = Annotated[Many, typer.Option("--variant", help="Another model (.osim) of the motions; may be repeated.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder for the surrogate.")]
Kind = Annotated[
    Kinds, typer.Option(help="static, or dynamic: activation dynamics and elastic tendons, of one set of muscles.")
]
Factors = tuple[float, float] | None
SHAPES = (
    "set (static only; accepts any model), mlp, cnn, lstm, cnn+lstm, cnn+lstm+attention, …: static of these muscles "
    "only, dynamic of each muscle's series."
)
Shape = Annotated[str | None, typer.Option("--architecture", help=SHAPES, show_default="set; dynamic: cnn")]
Quick = Annotated[bool, typer.Option("--quick", help="Few frames or solutions, half the epochs: a trial run.")]


@options.takes(ReadOptions, leave=("external_loads", "generalized_force", "speeds", *options.REACTIONS))
def train(
    model: options.Model,
    motions: Motions,
    external_loads: ManyLoads = None,
    generalized_force: ManyForces = None,
    kind: Kind = Kinds.static,
    variant: Variants = None,
    out: Out = Path("osimopt_surrogate"),
    architecture: Shape = None,
    width: Annotated[Whole, _option("Units of a layer.", "32; dynamic: 16")] = None,
    depth: Annotated[Whole, _option("Layers; rounds of a set network.", "4; dynamic: 3")] = None,
    epochs: Annotated[Whole, _option("Largest number of passes over the data.", "30; dynamic: 60")] = None,
    batch_size: Annotated[Whole, _option("Frames of a step; dynamic: solutions.", "256; dynamic: 4")] = None,
    optimizer: Annotated[str | None, _option("adam or adamw.", "adamw")] = None,
    learning_rate: Annotated[float | None, _option("Largest learning rate.", "4e-3; dynamic: 5e-3")] = None,
    patience: Annotated[Whole, _option("Epochs without a smaller validation loss to stop.", "15; dynamic: 30")] = None,
    cost: Annotated[str | None, _option("A cost of exponent 2.", "activation_power", "static")] = None,
    window: Annotated[Whole, _option("Consecutive frames that other networks than set see.", "1", "static")] = None,
    frames: Annotated[Whole, _option("Frames with varied strengths, sizes and loads.", "24000", "static")] = None,
    duration: Annotated[float | None, _option("s of a dynamic solution.", "1.2, or what fits", "dynamic")] = None,
    sizes: Annotated[Factors, _factors("Sizes of bodies, relative to the model's.", "0.9 1.1")] = None,
    strengths: Annotated[Factors, _factors("Strengths of bodies, relative to size².", "0.8 1.3")] = None,
    solutions: Annotated[Path | None, _option("Folder to keep dynamic solutions in.", "not kept", "dynamic")] = None,
    seed: Annotated[Whole, _option("Seed of all random numbers.", "0")] = None,
    device: Annotated[str | None, _option("cpu, cuda, ….", "cpu")] = None,
    mixed_precision: Annotated[bool, typer.Option("--mixed-precision", help="bfloat16 on an accelerator.")] = False,
    quick: Quick = False,
    cache: options.Cache = None,
    jobs: options.Jobs = None,
    figure: options.Figure = False,
    overwrite: options.Overwrite = False,
    **reading: Any,
) -> None:
    """Train a surrogate on motions, and measure its accuracy on held-out parts of them.

    Motions are split by time (five and more as wholes); the training part is varied and solved exactly. After Ctrl-C
    the same command continues where it stopped, to the same result. For muscle paths use osimopt fit-geometry
    --networks.
    """
    arguments = locals()
    from ..files.folders import check_target
    from ..pipeline.methods import refuse_forces
    from ..surrogate.folder import FILES
    from ..training.stopped import continued

    given = {name: value for name, value in arguments.items() if value is not None and value is not False}
    prepare, compare, print_accuracy = KINDS[kind]
    own = {name: value for name, value in given.items() if name != "kind"}
    run = prepare({**own, "kind": architecture} if architecture else own, quick)
    trials = trials_of([model, *(variant or [])], motions, external_loads, generalized_force, reading)
    if kind == Kinds.dynamic:
        refuse_forces(trials[0], "a dynamic surrogate")
        refuse_geometry(trials[0], sizes)
    check_target(out, FILES, overwrite)
    fitting = check_lengths(kind, trials[: len(motions)], len(trials), duration)
    checkpoint = out.absolute().with_name(f".{out.name}.training")
    known = known_options(kind, {**given, **fitting}, trials)
    with stoppable(out), continued(checkpoint, *known, overwrite=overwrite) as goes_on:
        keep = kind == Kinds.static or sizes == (1.0, 1.0) or trials[0].geometry != "exact"
        problems = problems_of(trials, jobs, cache if keep else None)  # the cache has no model, which sizes need
        how = "It goes on" if goes_on else "After an interruption it continues"
        say(f"Training on {len(problems)} trials. {how} from {checkpoint}")
        with progress("Solving training data") as moved:
            trained = run(problems, checkpoint, moved)
        folder = trained.surrogate.save(out, overwrite=overwrite)
        _record(folder, trained)
        history = trained.history
        say(f"Kept epoch {history.best_epoch} of {len(history.training)}, {history.seconds:.0f} s.")
        print_accuracy(trained.accuracy)
        if kind == Kinds.dynamic:
            say(f"Bodies of training, relative to {model.name}: {trained.surrogate.bodies}.")
        if figure:
            _draw(folder / "training.png", history, *compare(trained))
        say(f"\nWritten to {folder}")


def _static(given: dict[str, Any], quick: bool) -> Run:
    """Prepare the training for static optimization."""
    from ..surrogate.static_training import ARCHITECTURE
    from ..surrogate.training import TrainingOptions
    from ..training.static_surrogate import FRAMES, train_static_surrogate

    chosen = {"frames": FRAMES, **_chosen(given, "static", STATIC, DYNAMIC)}
    chosen["frames"] //= QUICK if quick else 1
    settings = _settings(given, ARCHITECTURE, TrainingOptions(), quick)
    return lambda problems, checkpoint, moved: train_static_surrogate(
        problems, **settings, **chosen, checkpoint=checkpoint, progress=moved
    )


def _dynamic(given: dict[str, Any], quick: bool) -> Run:
    """Prepare the training for dynamic optimization."""
    from ..surrogate.dynamic_training import ARCHITECTURE, OPTIONS
    from ..training.dynamic_solutions import COUNTS, QUICK_COUNTS
    from ..training.dynamic_surrogate import train_dynamic_surrogate
    from ..training.subjects import Subjects

    chosen = {"counts": QUICK_COUNTS if quick else COUNTS, **_chosen(given, "dynamic", DYNAMIC, STATIC)}
    Subjects(**{name: chosen[name] for name in ("sizes", "strengths") if name in chosen})
    settings, solutions = _settings(given, ARCHITECTURE, OPTIONS, quick), chosen.pop("solutions", None)
    if settings["architecture"].kind == "set":
        raise InputError(explain("an architecture for series with --kind dynamic", "set", "Leave --architecture out."))
    return lambda problems, checkpoint, moved: train_dynamic_surrogate(
        problems, solutions or checkpoint / "solutions", **settings, **chosen, checkpoint=checkpoint / "weights",
        solved=lambda done, total, _: moved(done, total), progress=moved,
    )  # fmt: skip


def _chosen(given: dict[str, Any], kind: str, names: Sequence[str], others: Sequence[str]) -> dict[str, Any]:
    """Options of one kind; those of the other kind are refused."""
    if wrong := " ".join(f"--{name}" for name in others if name in given):
        raise InputError(explain(f"options of --kind {kind}", wrong, "Leave it out, or choose the other kind."))
    return {name: given[name] for name in names if name in given}


def _settings(given: dict[str, Any], architecture: Any, training: Any, quick: bool) -> dict[str, Any]:
    """Architecture and training options: defaults, and the values that were given."""
    architecture, training = (
        replace(default, **{field.name: given[field.name] for field in fields(default) if field.name in given})
        for default in (architecture, training)
    )
    epochs = max(1, training.epochs // 2) if quick else training.epochs
    return {"architecture": architecture, "options": replace(training, epochs=epochs)}


def _compare_static(trained: TrainedStatic) -> tuple[list[Any], list[Any], str]:
    """Activations of the network and of the exact solver on the test part, and what they are."""
    from ..static.solve import solve_static

    test, surrogate = trained.split.test, trained.surrogate
    found = [surrogate.predict(one).activation for one in test]
    exact = [solve_static(one, surrogate.cost, on_failure="return").activation for one in test]
    return found, exact, "activation, before polish"


def _compare_dynamic(trained: TrainedDynamic) -> tuple[list[Any], list[Any], str]:
    """Activations of the surrogate and of the solutions in the test part, and what they are."""
    answers = [trained.surrogate.solve(one.problem, tolerance=np.inf) for one in trained.test]
    found = [one.activation[sample.inside] for one, sample in zip(answers, trained.test, strict=True)]
    return found, [sample.activation[sample.inside] for sample in trained.test], "activation"


def _record(folder: Path, trained: Any) -> None:
    """Write the history and the accuracy."""
    from ..files.storage import write_atomically

    history = trained.history
    record = {"training": history.training, "validation": history.validation, "learning_rate": history.rate,
              "seconds": history.seconds, "best_epoch": history.best_epoch, "accuracy": trained.accuracy}  # fmt: skip
    write_atomically(folder / "training.json", json.dumps(record, indent=2) + "\n")


def _draw(path: Path, history: Any, found: Sequence[Any], exact: Sequence[Any], title: str) -> None:
    """Draw the history, and the network's answers beside exact ones."""
    predicted, right = (np.concatenate([values.ravel() for values in series]) for series in (found, exact))
    known = np.isfinite(right) & np.isfinite(predicted)
    losses = (history.training, history.validation, history.best_epoch)
    draw("training", path, *losses, predicted[known], right[known], title)


def _print_static(accuracy: Mapping[str, Any]) -> None:
    raw, free = accuracy["raw"], accuracy["unconstrained"]
    say(
        f"On {accuracy['frames']} held-out frames, before any Newton step: RMSE {raw['rmse']:.4f}, R {raw['r']:.4f} "
        f"(without a network: {free['rmse']:.4f}, {free['r']:.4f})."
    )
    say(
        f"Newton steps to the exact answer: {accuracy['steps_median']:.0f} (cold {accuracy['steps_cold_median']:.0f}), "
        f"{100.0 * accuracy['fallback_share']:.1f} % of the frames to the exact solver, certified within "
        f"{accuracy['largest_bound']:.1g} of the optimum."
    )


def _print_dynamic(accuracy: Mapping[str, Any]) -> None:
    network, static, ridge = (accuracy[name]["mean"] for name in ("force", "static", "ridge"))
    say(
        f"On {accuracy['solutions']} held-out solutions the error of forces is {network:.1%} of the muscles' peaks, "
        f"{accuracy['force']['worst']:.1%} for the worst muscle (static optimization {static:.1%}, a regression on it "
        f"{ridge:.1%}), that of activations {accuracy['activation_rmse']:.4f}."
    )
    say(f"{accuracy['solved_share']:.1%} of the frames meet moments and tendon forces within the tolerance.")


#: By kind: prepare a training, compare its result with exact answers, print its accuracy.
KINDS: dict[Kinds, tuple[Callable[..., Run], Callable[[Any], Any], Callable[[Mapping[str, Any]], None]]] = {
    Kinds.static: (_static, _compare_static, _print_static),
    Kinds.dynamic: (_dynamic, _compare_dynamic, _print_dynamic),
}
