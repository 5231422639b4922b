"""CalibrationTrial: one trial's moments, muscle paths and EMG, and the moments that its EMG predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..muscle.parameter_slopes import TendonForces, elastic_tendon_forces, rigid_tendon_forces
from ..problem.arrays import Array, MuscleParameters
from .excitation import Envelopes, Levels
from .parameters import Parameters

#: Kinds of parameters that muscle forces depend on directly.
OF_MUSCLES = ("max_isometric_force", "optimal_fiber_length", "tendon_slack_length", "tendon_strain")


class Driven(NamedTuple):
    """What EMG predicts: ``activation`` (T, M), ``forces``, and ``moment`` (T, D) in N·m; ``levels`` of channels."""

    activation: Array
    forces: TendonForces
    moment: Array
    levels: Levels


@dataclass(frozen=True, eq=False)
class CalibrationTrial:
    """Arrays of one trial: T frames, D coordinates, M muscles, C channels.

    Attributes
    ----------
    name : str
        Name of the trial.
    time : (T,) array
        s.
    arm : (T, D, M) array
        Moment arms in m.
    length, speed : (T, M) array
        Length (m) and lengthening speed (m/s) of muscle-tendon units.
    moment : (T, D) array
        What muscles have to produce, in N·m.
    lower : (M,) array
        Least activations.
    envelopes : Envelopes
        EMG.
    share : (M, C) array
        Share of each channel in each muscle's excitation; rows of 0 are muscles without EMG.
    own : MuscleParameters
        The model's muscles.
    elastic : bool
        Whether tendons are elastic.
    """

    name: str
    time: Array
    arm: Array
    length: Array
    speed: Array
    moment: Array
    lower: Array
    envelopes: Envelopes
    share: Array
    own: MuscleParameters
    elastic: bool

    def channel_values(self, unknowns: Parameters, x: Array) -> tuple[Array, Array, Array]:
        """Gain, shape and delay (C,) of channels, as they act on envelopes divided by their largest values."""
        gain = unknowns.spread("gain", x, 1.0)
        return gain, unknowns.spread("shape", x, 0.0), unknowns.spread("delay", x, 0.0)

    def levels(self, unknowns: Parameters, x: Array) -> Levels:
        """Shaped levels (T, C) of the channels."""
        return self.envelopes.levels(self.time, *self.channel_values(unknowns, x))

    def excited(self, levels: Levels) -> Array:
        """Activations (T, M) by EMG; the least of muscles without."""
        return np.asarray(self.lower + (1.0 - self.lower) * (levels.value @ self.share.T))

    def forces(self, unknowns: Parameters, x: Array, activation: Array) -> TendonForces:
        """Forces at activations (T, M), and their derivatives."""
        function = elastic_tendon_forces if self.elastic else rigid_tendon_forces
        return function(unknowns.apply(x, self.own), self.length, self.speed, activation)

    def drive(self, unknowns: Parameters, x: Array) -> Driven:
        """What EMG predicts."""
        levels = self.levels(unknowns, x)
        activation = self.excited(levels)
        forces = self.forces(unknowns, x, activation)
        return Driven(activation, forces, np.einsum("tdm,tm->td", self.arm, forces.force), levels)

    def driven_slopes(self, unknowns: Parameters, driven: Driven) -> Array:
        """(T, D, N) derivative of the EMG-driven moments by all unknowns."""
        gain = self.arm * driven.forces.by_activation[:, None, :]
        by_channels = gain @ self.activation_slopes(unknowns, driven.levels)
        return np.asarray(self.moment_slopes(unknowns, driven.forces) + by_channels)

    def pull(self, driven: Driven) -> Array:
        """(T, D, C) derivative of the EMG-driven moments by the logarithm of each envelope."""
        by_level = self.arm * (driven.forces.by_activation * (1.0 - self.lower))[:, None, :]
        return np.asarray((by_level @ self.share) * driven.levels.by_gain[:, None, :])

    def moment_slopes(self, unknowns: Parameters, forces: TendonForces) -> Array:
        """(T, D, N) derivative of the moments by the unknowns of muscles, at fixed activations."""
        out = np.zeros((*self.arm.shape[:2], len(unknowns.items)))
        for kind, owner, factor in self.owned(unknowns):
            for muscle in np.flatnonzero(owner >= 0):
                by_x = forces.by_log[kind][:, muscle] * factor[owner[muscle]]
                out[:, :, owner[muscle]] += self.arm[:, :, muscle] * by_x[:, None]
        return out

    def owned(self, unknowns: Parameters) -> list[tuple[str, NDArray[np.intp], Array]]:
        """Kinds of muscle parameters, the unknown of each muscle, and d(logarithm) / dx of each unknown."""
        return [(kind, unknowns.owner(kind), unknowns.scale) for kind in OF_MUSCLES]

    def activation_slopes(self, unknowns: Parameters, levels: Levels) -> Array:
        """(T, M, N) derivative of the activations by the unknowns of channels."""
        out = np.zeros((len(self.time), len(self.own.names), len(unknowns.items)))
        by_kind = {"gain": levels.by_gain, "shape": levels.by_shape, "delay": levels.by_delay}
        for kind, by_channel in by_kind.items():
            for column, number in enumerate(unknowns.owner(kind)):
                if number >= 0:
                    out[:, :, number] += by_channel[:, column, None] * self.share[:, column] * (1.0 - self.lower)
        return np.asarray(out * unknowns.scale)
