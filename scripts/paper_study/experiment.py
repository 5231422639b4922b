"""One experiment of the study: a network, how it is trained, a seed; its result is kept as one JSON file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from osimopt.files.storage import write_atomically
from osimopt.surrogate.training import TrainingOptions

from . import finish
from .augmentation import Arm, Augmentation, augmented, some_trials
from .measures import errors, histogram, latency
from .noise import Kind, add_noise
from .objective import loss_of, objective, violation
from .optimizers import Optimizer, Schedule, rule_of
from .preprocessing import DENOISED, Cleaning, Pipeline

if TYPE_CHECKING:
    from .windows import Sets, Windows

Array = NDArray[np.float64]
Call = Callable[[Array], Array]

#: Noises that every network is judged under.
NOISES: tuple[Kind, ...] = ("gaussian", "salt-and-pepper")
#: Windows of the first test trial whose predictions are kept for a figure, at most.
SERIES = 200


@dataclass(frozen=True)
class Experiment:
    """What is trained: ``network`` by name, ``balance`` λ of equation (2), ``penalty`` λ of equation (7).

    ``bounded`` holds activations within the muscles' bounds, equation (3). ``noise`` is on the training inputs, and
    ``denoised`` sends all inputs through :data:`DENOISED`. ``share`` of the training trials is used, and
    ``augmentation`` adds to them. ``epochs`` are passes over the whole training set: of a share, more are made, so that
    as many steps are taken.
    """

    dataset: str
    network: str
    seed: int = 0
    optimizer: Optimizer = "adam"
    learning_rate: float = 3e-3
    schedule: Schedule = "cosine"
    epochs: int = 50
    batch_size: int = 64
    balance: float = 1.0
    penalty: float = 0.0
    weights: int = 20_000
    bounded: bool = False
    noise: Kind = "none"
    denoised: bool = False
    share: float = 1.0
    augmentation: Arm = "none"

    @property
    def name(self) -> str:
        """A file name: what a reader looks for, and a digest of everything."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:10]
        return f"{self.dataset}_{self.network}_{self.optimizer}_{self.seed}_{digest}".replace(", ", "_")


def run(experiment: Experiment, sets: Sets, folder: Path, problems: Path | None = None) -> dict[str, Any]:
    """Train and judge, or read what an earlier run kept in ``folder``.

    ``problems`` are where the redundancy problems of simulated trials are: answers are then finished exactly, too.

    Returns
    -------
    dict
        ``experiment``; ``test``, each of ``unseen``, and ``noise`` by kind, as :func:`measures.errors` on the scale of
        the training set; ``units``: root mean square error of each target in its unit; ``histogram``; ``latency`` of
        one window, preprocessing included; ``history``: losses and gradient evaluations by epoch, and ``seconds`` of
        training; ``series`` over the first test trial; ``finished`` by :func:`paper_study.finish.judge`.
    """
    path = folder / f"{experiment.name}.json"
    if path.is_file():
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return told
    result = _run(experiment, sets, problems)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(result) + "\n")
    return result


def _run(experiment: Experiment, sets: Sets, problems: Path | None) -> dict[str, Any]:
    from .last_frame import fitted

    own = some_trials(sets.training, experiment.share, experiment.seed)
    pipeline = Pipeline.of(own, DENOISED if experiment.denoised else Cleaning())
    arm = Augmentation(experiment.augmentation, len(sets.training), experiment.seed)
    inputs, targets, of_augmentation = augmented(arm, own, pipeline.scaling, problems)
    training = pipeline.clean(add_noise(inputs, experiment.noise, experiment.seed)), targets
    held = add_noise(pipeline.scaling.inputs(sets.validation), experiment.noise, experiment.seed + 1)
    validation = pipeline.clean(held), pipeline.scaling.targets(sets.validation)
    counted = _Counted(loss_of(len(own.loads), experiment.balance), len(inputs))
    options = _options(experiment, len(inputs), len(sets.training))
    bounds = _bounds(sets.training, pipeline)
    call, history, weights = fitted(
        experiment.network, training, validation, counted, options, experiment.weights,
        bounds if experiment.bounded else None, counted.note, rule_of(experiment.optimizer, experiment.schedule),
    )  # fmt: skip
    one = sets.test.pick(slice(0, 1))
    return {
        "experiment": asdict(experiment),
        "weights": weights,
        "windows": len(own),
        "augmentation": of_augmentation,
        **judged(call, sets, pipeline, experiment.seed, bounds),
        "latency": latency(lambda: pipeline.scaling.untarget(call(pipeline.inputs(one)))),
        "history": {"training": history.training, "validation": history.validation, "gradients": counted.by_epoch},
        "seconds": history.seconds,
        "series": _series(call, sets.test, pipeline, experiment.balance),
        "finished": {} if problems is None else _finished(call, sets, pipeline, problems),
    }


def judged(
    call: Call, sets: Sets, pipeline: Pipeline, seed: int, bounds: tuple[Array, Array] | None = None
) -> dict[str, Any]:
    """Errors of a network of scaled inputs on the test windows, unseen ones, and under noise."""
    scaling = pipeline.scaling

    def of(windows: Windows) -> dict[str, float]:
        return errors(call(pipeline.inputs(windows)), scaling.targets(windows))

    clean, asked = scaling.inputs(sets.test), scaling.targets(sets.test)
    said = call(pipeline.clean(clean))
    off = np.sqrt(np.mean((scaling.untarget(said) - sets.test.target) ** 2, axis=0))
    noisy = {kind: call(pipeline.clean(add_noise(clean, kind, seed + 2))) for kind in NOISES}
    return {
        "test": errors(said, asked),
        "unseen": {name: of(windows) for name, windows in sets.unseen.items()},
        "noise": {kind: errors(values, asked) for kind, values in noisy.items()},
        "units": dict(zip(sets.test.targets, off.tolist(), strict=True)),
        "histogram": histogram(said, asked),
        "by_term": _by_term(said, asked, len(sets.test.loads)),
        "violation": None if bounds is None else max(violation(values, *bounds) for values in (said, *noisy.values())),
    }


class _Counted:
    """A loss that counts passes over the data whose gradients were taken."""

    def __init__(self, loss: Callable[..., Any], rows: int) -> None:
        self.loss, self.rows, self.passes = loss, rows, 0.0
        self.by_epoch: list[float] = []

    def __call__(self, network: Any, inputs: Any, asked: Any) -> Any:
        if network.training:
            self.passes += len(inputs) / self.rows
        return self.loss(network, inputs, asked)

    def note(self, *_: Any) -> None:
        """At the end of an epoch."""
        self.by_epoch.append(round(self.passes, 6))


def _options(experiment: Experiment, rows: int, whole: int) -> TrainingOptions:
    epochs = max(1, round(experiment.epochs * whole / rows))
    batch = rows if experiment.optimizer == "lbfgs" else experiment.batch_size  # a line search needs one function
    return TrainingOptions(
        epochs=epochs, batch_size=batch, learning_rate=experiment.learning_rate,
        weight_decay=2.0 * experiment.penalty, seed=experiment.seed, patience=epochs,
    )  # fmt: skip


def _bounds(training: Windows, pipeline: Pipeline) -> tuple[Array, Array] | None:
    """Bounds of activations on the scale of the targets; measured sets have none."""
    if "bounds" not in training.provenance:
        return None
    low, high = (pipeline.scaling.target(np.asarray(end)) for end in training.provenance["bounds"])
    return low, high


def _by_term(said: Array, asked: Array, loads: int) -> dict[str, float]:
    """The two terms of equation (2)."""
    square = (said - asked) ** 2
    parts = {"load": square[:, :loads], "displacement": square[:, loads:]}
    return {name: float(part.mean()) for name, part in parts.items() if part.shape[1]}


def _series(call: Call, test: Windows, pipeline: Pipeline, balance: float) -> dict[str, Any]:
    """Times, what was said and asked in units, and equation (2) over time, of the first test trial."""
    first = test.pick(np.flatnonzero(test.trial == test.trial[0])[:SERIES])
    said = call(pipeline.inputs(first))
    time = first.start + (first.inputs.shape[1] - 1) * first.step + first.ahead
    both = zip(said, pipeline.scaling.targets(first), strict=True)
    value = np.array([objective(one[None], other[None], len(first.loads), balance) for one, other in both])
    told = {"time": time, "said": pipeline.scaling.untarget(said), "asked": first.target, "objective": value}
    return {name: np.round(values, 6).tolist() for name, values in told.items()}


def _finished(call: Call, sets: Sets, pipeline: Pipeline, problems: Path) -> dict[str, Any]:
    judged = {"test": sets.test, **sets.unseen}
    return {
        name: finish.judge(pipeline.scaling.untarget(call(pipeline.inputs(windows))), windows, problems)
        for name, windows in judged.items()
    }
