"""How to train a network: what can be chosen, checked before anything is read or drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import InputError, explain

Optimizer = Literal["adam", "adamw", "sgd", "momentum", "adagrad", "rmsprop", "lbfgs"]
Schedule = Literal["cosine", "plateau", "constant"]


@dataclass(frozen=True)
class TrainingOptions:
    """How to train. ``"momentum"`` averages gradients (v ← β v + (1 − β) g, at first v ← g), ``"sgd"`` does not.

    ``schedule`` of the learning rate: ``"cosine"`` rises in the first tenth and falls to a fiftieth, ``"plateau"``
    halves it where validation stalls. ``patience`` are epochs without a better validation loss before it ends.
    """

    epochs: int = 30
    batch_size: int = 256
    optimizer: Optimizer = "adamw"
    learning_rate: float = 4e-3
    schedule: Schedule = "cosine"
    patience: int = 15
    weight_decay: float = 1e-5
    seed: int = 0
    device: str = "cpu"
    mixed_precision: bool = False

    def __post_init__(self) -> None:
        for name, allowed in (("optimizer", get_args(Optimizer)), ("schedule", get_args(Schedule))):
            if getattr(self, name) not in allowed:
                got = repr(getattr(self, name))
                raise InputError(explain(f"{name} among {', '.join(allowed)}", got, "Choose one of them."))
        for name, low in (("epochs", 1), ("batch_size", 1), ("patience", 1), ("seed", 0)):
            value = getattr(self, name)
            if not (isinstance(value, int) and not isinstance(value, bool) and value >= low):
                raise InputError(explain(f"{name} as a whole number ≥ {low}", repr(value), "Leave it out."))
        for name, least in (("learning_rate", "above 0"), ("weight_decay", "0 or more")):
            value = getattr(self, name)
            number = isinstance(value, int | float) and 0.0 <= value < math.inf
            if not number or (name == "learning_rate" and value == 0.0):
                raise InputError(explain(f"{name} {least}", repr(value), "Leave it out."))
        if self.mixed_precision and self.device in ("cpu", "torch"):
            fix = "Leave it out, or name a device."
            raise InputError(explain("mixed_precision on an accelerator", f"device={self.device!r}", fix))
