"""More windows to train on: from a generative network, or from the model, whose answers are exact."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from osimopt.errors import InputError, explain

from .simulation import posed, simulated

if TYPE_CHECKING:
    from .scaling import Scaling
    from .windows import Windows

Array = NDArray[np.float64]

Arm = Literal["none", "gan", "physics"]
#: Of draws that no other set makes.
SEED = 1000


@dataclass(frozen=True)
class Augmentation:
    """How, and how many windows are added.

    ``"gan"``: by a generative network that learned from the same windows; ``"physics"``: motions and loads drawn anew,
    and solved exactly.
    """

    kind: Arm
    count: int
    seed: int


def some_trials(training: Windows, share: float, seed: int) -> Windows:
    """A share of the trials, one at least, drawn by a seed."""
    trials = list(dict.fromkeys(training.trial.tolist()))
    if share >= 1.0:
        return training
    order = np.random.default_rng(seed).permutation(len(trials))
    chosen = [trials[place] for place in order[: max(1, round(share * len(trials)))]]
    return training.pick(np.isin(training.trial, chosen))


def augmented(
    how: Augmentation, own: Windows, scaling: Scaling, problems: Path | None
) -> tuple[Array, Array, dict[str, Any]]:
    """Scaled inputs and targets, ``how.count`` more than there are, and by how much what was added misses the moments.

    Raises
    ------
    InputError
        Physics for a measured set: what its subjects would have done with other loads is not known.
    """
    inputs, targets = scaling.inputs(own), scaling.targets(own)
    if how.kind == "none":
        return inputs, targets, {}
    if how.kind == "gan":
        from .gan import train_gan

        more = train_gan(inputs, targets, how.seed).sample(how.count, how.seed)
    else:
        drawn = _drawn(how, own, problems)
        more = scaling.inputs(drawn), scaling.targets(drawn)
    told = {} if problems is None else {"moment_missed_rms": moment_missed(*more, scaling, problems)}
    return np.concatenate([inputs, more[0]]), np.concatenate([targets, more[1]]), {"added": how.count, **told}


def moment_missed(inputs: Array, targets: Array, scaling: Scaling, problems: Path) -> float:
    """Root mean square N·m by which the arm's activations miss the moments at the last frames of scaled windows."""
    from .finish import Asked

    state = inputs[:, -1] * scaling.input_range + scaling.input_low
    activation = np.clip(scaling.untarget(targets), 0.0, 1.0)
    return float(np.sqrt(np.mean(Asked(posed(problems, state)).missed(activation) ** 2)))


def _drawn(how: Augmentation, own: Windows, problems: Path | None) -> Windows:
    if problems is None:
        got, fix = f"the measured set {own.name}", "Choose 'none' or 'gan' for it."
        raise InputError(explain("a simulated set for physics augmentation", got, fix))
    trials = int(np.ceil(how.count / (len(own) / len(set(own.trial.tolist())))))
    return simulated(problems, trials, SEED + how.seed).pick(slice(0, how.count))
