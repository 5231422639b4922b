"""Windows of signals with what a network is to say of them, and where each comes from."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from osimopt.errors import InputError, explain
from osimopt.files.storage import write_atomically

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Windows:
    """N windows of T frames of C signals, in their units, ``step`` s between frames.

    ``inputs`` (N, T, C) of ``signals``, NaN where nothing was measured. What is asked is at ``ahead`` s after the last
    frame (0: at it): ``load`` (N, L) of ``loads`` (moments N·m, activations, EMG), ``displacement`` (N, P) of
    ``displacements`` (angles rad); either may have no columns. ``recent`` (N, 2, L + P) is what loads and displacements
    were at the last two frames (the two before, where ``ahead`` is 0), for persistence and linear extrapolation.
    ``trial``, ``subject``, ``task`` (N,) name where a window comes from; ``start`` (N,) s is its first frame. ``units``
    of signals, loads and displacements by name; ``provenance`` says files, hashes and how they were made.
    """

    name: str
    step: float
    ahead: float
    signals: tuple[str, ...]
    loads: tuple[str, ...]
    displacements: tuple[str, ...]
    inputs: Array
    load: Array
    displacement: Array
    recent: Array
    start: Array
    trial: NDArray[np.str_]
    subject: NDArray[np.str_]
    task: NDArray[np.str_]
    units: dict[str, str]
    provenance: dict[str, Any]

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def target(self) -> Array:
        """(N, L + P) loads, then displacements."""
        return np.concatenate([self.load, self.displacement], axis=1)

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the columns of ``target``."""
        return self.loads + self.displacements

    def pick(self, keep: Any) -> Windows:
        """Some of the windows: a mask or indices."""
        return replace(self, **{name: getattr(self, name)[keep] for name in _ROWS})

    @classmethod
    def join(cls, parts: Sequence[Windows]) -> Windows:
        """Windows of several trials of the same signals.

        Raises
        ------
        InputError
            None, or of different signals.
        """
        if not parts:
            raise InputError(explain("windows of one trial or more", "none", "Give longer trials."))
        first = parts[0]
        for other in parts:
            if (other.signals, other.targets, other.step) != (first.signals, first.targets, first.step):
                raise InputError(explain(f"windows of {', '.join(first.signals)}", "others", "Join like with like."))
        whole: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ROWS}
        return replace(first, **whole)

    def write(self, path: Path) -> None:
        """As .npz; the file appears whole or not at all."""
        told = {name: value for name, value in asdict(self).items() if name not in _ROWS}
        buffer = io.BytesIO()
        rows: dict[str, Any] = {name: getattr(self, name) for name in _ROWS}
        np.savez_compressed(buffer, header=np.array(json.dumps(told)), **rows)
        write_atomically(path, buffer.getvalue())

    @classmethod
    def read(cls, path: Path) -> Windows:
        """What :meth:`write` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            told = json.loads(str(arrays["header"]))
            told |= {name: tuple(told[name]) for name in ("signals", "loads", "displacements")}
            return cls(**told, **{name: arrays[name] for name in _ROWS})


_ROWS = ("inputs", "load", "displacement", "recent", "start", "trial", "subject", "task")


@dataclass(frozen=True, eq=False)
class Sets:
    """Split by trial: to train on, to choose by, to judge by; ``unseen`` are other tasks, subjects or models."""

    training: Windows
    validation: Windows
    test: Windows
    unseen: dict[str, Windows]
