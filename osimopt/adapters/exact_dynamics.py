"""Inverse dynamics of a model in arrays, where everything in it is described."""

from __future__ import annotations

from dataclasses import dataclass

from ..multibody.description import Multibody
from ..problem.arrays import Array, Kinematics
from .loads import ExternalLoads
from .model import Model


@dataclass(frozen=True, eq=False)
class ExactDynamics:
    """Generalized forces of a motion by arrays."""

    multibody: Multibody
    loads: ExternalLoads | None

    def moments(self, motion: Kinematics) -> Array:
        """Generalized forces (T, D) about the free coordinates that actuators must produce."""
        raise NotImplementedError


def read_dynamics(model: Model, loads: ExternalLoads | None) -> ExactDynamics | None:
    """Inverse dynamics by arrays; None, with a warning, where something in the model is left to OpenSim."""
    return None
