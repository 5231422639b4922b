"""What ``osimopt train`` does for each kind of surrogate: train, write its folder, and say what it is worth."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, explain

if TYPE_CHECKING:
    from ..problem.problem import RedundancyProblem
    from ..surrogate.architecture import Architecture
    from ..surrogate.options import TrainingOptions
    from ..surrogate.training import History
    from ..training.dynamic_surrogate import TrainedDynamic
    from ..training.static_surrogate import Trained

Moved = Callable[..., None]
#: Share of the static frames in a quick run.
QUICK = 6


@dataclass(frozen=True)
class StaticTraining:
    """Of a surrogate of static optimization."""

    architecture: Architecture
    options: TrainingOptions
    own: Mapping[str, Any]
    quick: bool

    @classmethod
    def of(cls, shape: dict[str, Any], options: dict[str, Any], own: dict[str, Any], quick: bool) -> StaticTraining:
        """From what was given on the command line."""
        from ..surrogate.architecture import Architecture
        from ..surrogate.options import TrainingOptions

        _refuse(own, "static", ("solutions", "duration"))
        whole = TrainingOptions(**options)
        made = Architecture(**{"kind": "set", "width": 32, "depth": 4, **shape})
        return cls(made, _halved(whole) if quick else whole, own, quick)

    def train(self, problems: Sequence[RedundancyProblem], checkpoint: Path, moved: Moved) -> Trained:
        """Train and judge."""
        from ..training.static_surrogate import FRAMES, train_static_surrogate

        own = {"frames": FRAMES, **self.own}
        own["frames"] = own["frames"] // QUICK if self.quick else own["frames"]
        return train_static_surrogate(
            problems, architecture=self.architecture, options=self.options, **own, checkpoint=checkpoint, progress=moved
        )

    def write(self, trained: Trained, out: Path, overwrite: bool) -> Path:
        """Write the surrogate, how its training went, and a figure of both."""
        from ..static.solve import solve_static

        test, surrogate = trained.split.test, trained.surrogate
        exact = [solve_static(one, surrogate.cost, on_failure="return").activation.ravel() for one in test]
        found = [surrogate.predict(one).activation.ravel() for one in test]
        folder = surrogate.save(out, overwrite=overwrite)
        _record(folder, trained.history, trained.accuracy, found, exact, "activation, before polish")
        return folder

    def lines(self, trained: Trained) -> list[str]:
        """What it is worth."""
        told = trained.accuracy
        raw, free = told["raw"], told["unconstrained"]
        return [
            _kept(trained.history),
            f"On {told['frames']} frames that it never saw, before any Newton step: RMSE {raw['rmse']:.4f}, "
            f"R {raw['r']:.4f} "
            f"(without a network: {free['rmse']:.4f}, {free['r']:.4f}).",
            f"Newton steps to the exact answer: {told['steps_median']:.0f} (cold {told['steps_cold_median']:.0f}), "
            f"{100.0 * told['fallback_share']:.1f} % of the frames to the exact solver, certified within "
            f"{told['largest_bound']:.1g} of the optimum.",
        ]


@dataclass(frozen=True)
class DynamicTraining:
    """Of a surrogate of dynamic optimization."""

    architecture: Architecture
    options: TrainingOptions
    own: Mapping[str, Any]
    quick: bool

    @classmethod
    def of(cls, shape: dict[str, Any], options: dict[str, Any], own: dict[str, Any], quick: bool) -> DynamicTraining:
        """From what was given on the command line."""
        from ..surrogate.dynamic_training import ARCHITECTURE, OPTIONS

        _refuse(own, "dynamic", ("cost", "window", "frames"))
        made, whole = replace(ARCHITECTURE, **shape), replace(OPTIONS, **options)
        if made.kind == "set":
            fix = "Leave --architecture out."
            raise InputError(explain("an architecture for series with --kind dynamic", "set", fix))
        return cls(made, _halved(whole) if quick else whole, own, quick)

    def train(self, problems: Sequence[RedundancyProblem], checkpoint: Path, moved: Moved) -> TrainedDynamic:
        """Solve what is not solved yet, train and judge."""
        from ..training.dynamic_data import COUNTS, QUICK_COUNTS
        from ..training.dynamic_surrogate import train_dynamic_surrogate

        own = dict(self.own)
        solutions = own.pop("solutions", None) or checkpoint / "solutions"
        return train_dynamic_surrogate(
            problems, solutions, **own, counts=QUICK_COUNTS if self.quick else COUNTS, architecture=self.architecture,
            options=self.options, checkpoint=checkpoint / "weights", progress=moved,
            solved=lambda done, total, _: moved(done, total),
        )  # fmt: skip

    def write(self, trained: TrainedDynamic, out: Path, overwrite: bool) -> Path:
        """Write the surrogate, how its training went, and a figure of both."""
        answers = [trained.surrogate.solve(one.problem, tolerance=np.inf) for one in trained.test]
        found = [one.activation[sample.inside].ravel() for one, sample in zip(answers, trained.test, strict=True)]
        exact = [sample.activation[sample.inside].ravel() for sample in trained.test]
        folder = trained.surrogate.save(out, overwrite=overwrite)
        _record(folder, trained.history, trained.accuracy, found, exact, "activation")
        return folder

    def lines(self, trained: TrainedDynamic) -> list[str]:
        """What it is worth."""
        told = trained.accuracy
        network, static, ridge = (told[name]["mean"] for name in ("force", "static", "ridge"))
        return [
            _kept(trained.history),
            f"On {told['solutions']} solutions that it never saw, forces are off by {network:.1%} of the muscles' "
            f"peaks, {told['force']['worst']:.1%} at worst (static optimization {static:.1%}, a regression on it "
            f"{ridge:.1%}), activations by {told['activation_rmse']:.4f}.",
            f"{told['solved_share']:.1%} of the frames meet moments and tendons as they are.",
        ]


KINDS: dict[str, type[StaticTraining] | type[DynamicTraining]] = {"static": StaticTraining, "dynamic": DynamicTraining}


def _refuse(own: dict[str, Any], kind: str, names: Sequence[str]) -> None:
    if given := [name for name in names if name in own]:
        got = " ".join(f"--{name}" for name in given)
        raise InputError(explain(f"options of --kind {kind}", got, "Leave it out, or choose the other kind."))


def _halved(options: TrainingOptions) -> TrainingOptions:
    return replace(options, epochs=max(1, options.epochs // 2))


def _kept(history: History) -> str:
    return f"Kept epoch {history.best_epoch} of {len(history.training)}, {history.seconds:.0f} s."


def _record(
    folder: Path, history: History, accuracy: Mapping[str, Any], found: Sequence[Any], exact: Sequence[Any], of: str
) -> None:
    from ..files.storage import write_atomically
    from ..report.figures import draw_training

    told = {"training": history.training, "validation": history.validation, "learning_rate": history.rate}
    whole = {**told, "seconds": history.seconds, "best_epoch": history.best_epoch, "accuracy": accuracy}
    write_atomically(folder / "training.json", json.dumps(whole, indent=2) + "\n")
    right, said = np.concatenate(exact), np.concatenate(found)
    known = np.isfinite(right) & np.isfinite(said)
    draw_training(
        history.training, history.validation, history.best_epoch, said[known], right[known], folder / "training.png", of
    )
