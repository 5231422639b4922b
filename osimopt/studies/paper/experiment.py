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

from ...surrogate.last_frame import WEIGHTS, fitted
from ...surrogate.options import Optimizer, TrainingOptions
from ...tables import write_atomically
from .measures import errors, histogram, latency
from .noise import Kind, add_noise
from .objective import loss_of
from .scaling import Scaling

if TYPE_CHECKING:
    from .windows import Sets, Windows

Array = NDArray[np.float64]

#: Noises that every network is judged under, though it learned without.
NOISES: tuple[Kind, ...] = ("gaussian", "salt-and-pepper")


@dataclass(frozen=True)
class Experiment:
    """What is trained: ``network`` by name, ``balance`` λ of equation (2), ``penalty`` λ of equation (7)."""

    dataset: str
    network: str
    seed: int = 0
    optimizer: Optimizer = "adam"
    learning_rate: float = 2e-3
    epochs: int = 60
    batch_size: int = 64
    balance: float = 1.0
    penalty: float = 0.0
    weights: int = WEIGHTS

    @property
    def name(self) -> str:
        """A file name: what a reader looks for, and a digest of the rest."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:10]
        return f"{self.dataset}_{self.network}_{self.optimizer}_{self.seed}_{digest}"


def run(experiment: Experiment, sets: Sets, folder: Path) -> dict[str, Any]:
    """Train and judge, or read what an earlier run kept in ``folder``.

    Returns
    -------
    dict
        ``experiment``; ``test``, each of ``unseen``, and ``noise`` by kind, as :func:`measures.errors` on the scale of
        the training set; ``units``: root mean square error of each target in its unit; ``histogram``; ``latency`` of
        one window, scaling included; ``history``: losses by epoch, and ``seconds`` of training.
    """
    path = folder / f"{experiment.name}.json"
    if path.is_file():
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return told
    scaling = Scaling.of(sets.training)
    options = TrainingOptions(
        epochs=experiment.epochs, batch_size=experiment.batch_size, optimizer=experiment.optimizer,
        learning_rate=experiment.learning_rate, weight_decay=2.0 * experiment.penalty, seed=experiment.seed,
        patience=experiment.epochs,
    )  # fmt: skip
    training, validation = ((scaling.inputs(one), scaling.targets(one)) for one in (sets.training, sets.validation))
    loss = loss_of(len(sets.training.loads), experiment.balance)
    call, history, weights = fitted(experiment.network, training, validation, loss, options, experiment.weights)
    result = {
        "experiment": asdict(experiment),
        "weights": weights,
        **judged(call, sets, scaling, experiment.seed),
        "latency": latency(lambda: scaling.untarget(call(scaling.inputs(sets.test.pick(slice(0, 1)))))),
        "history": {"training": history.training, "validation": history.validation},
        "seconds": history.seconds,
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(result) + "\n")
    return result


def judged(call: Callable[[Array], Array], sets: Sets, scaling: Scaling, seed: int) -> dict[str, Any]:
    """Errors of a network of scaled inputs on the test windows, unseen ones, and under noise."""

    def of(windows: Windows) -> dict[str, float]:
        return errors(call(scaling.inputs(windows)), scaling.targets(windows))

    clean, asked = scaling.inputs(sets.test), scaling.targets(sets.test)
    said = call(clean)
    off = np.sqrt(np.mean((scaling.untarget(said) - sets.test.target) ** 2, axis=0))
    return {
        "test": errors(said, asked),
        "unseen": {name: of(windows) for name, windows in sets.unseen.items()},
        "noise": {kind: errors(call(add_noise(clean, kind, seed)), asked) for kind in NOISES},
        "units": dict(zip(sets.test.targets, off.tolist(), strict=True)),
        "histogram": histogram(said, asked),
    }
