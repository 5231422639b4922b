"""How a training went: losses by epoch, and what the network says of trials that it never saw."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import style

Array = NDArray[np.float64]

#: Points drawn of predictions against exact answers.
POINTS = 20_000


def draw_training(
    training: Sequence[float],
    validation: Sequence[float],
    best_epoch: int,
    found: Array,
    exact: Array,
    path: str | os.PathLike[str],
    what: str = "activation, before polish",
) -> Path:
    """Draw losses, and predicted against exact activations of held-out trials; return the path.

    ``found`` and ``exact`` have any one shape; ``what`` they are is the panel's title.
    """
    epochs = np.arange(1, len(training) + 1)
    with style.figure([["loss", "answer"]], (8.0, 3.6)) as (drawn, axes):
        panel = axes["loss"]
        panel.semilogy(epochs, training, **style.line(0, "training"))
        panel.semilogy(epochs, validation, **style.line(1, "validation"))
        panel.axvline(best_epoch, **style.BEHIND)
        style.label(panel, "Learning curve (grey: kept)", "epoch", "loss")
        panel.legend()
        panel = axes["answer"]
        some = np.random.default_rng(0).permutation(found.size)[:POINTS]
        right, said = exact.ravel()[some], found.ravel()[some]
        panel.plot(right, said, ".", ms=2.0, alpha=0.3, mew=0.0, color=style.colour(0), rasterized=True)
        panel.plot([0.0, 1.0], [0.0, 1.0], **style.BEHIND)
        error = np.sqrt(np.mean((found - exact) ** 2))
        style.label(panel, f"Held-out trials: {what}", "exact activation", "network's activation")
        panel.text(0.04, 0.92, f"RMSE {error:.4f}", transform=panel.transAxes)
        return style.save(drawn, Path(path))
