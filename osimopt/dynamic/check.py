"""What forward integration says of a dynamic solution: an answer that the solver had no part in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..solution.checks import IDLE, INTEGRATION_LIMITS
from ..solution.summary import Finding
from .integrate import integrate
from .nodes import Nodes, strength
from .unknowns import Unknowns

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ForwardCheck:
    """Forward integration of the excitations beside the solution, at its N points; NaN where integration failed.

    ``activation`` (N, M) and ``muscle_force`` (N, M) in N are those of the integration. ``activation_error`` (M,) is
    the largest difference over time, ``force_error`` (M,) that of the forces, divided by the muscle's peak force, which
    counts as 5 % of its strength at least;
    ``moment_error`` (D,) is the largest moment of the differences of the forces, in N·m (N of a translation).
    ``interval_error`` (n,) is what each interval adds: the largest error of any muscle in activation or normalised
    tendon force at its end, from the solution at its start.
    """

    muscles: tuple[str, ...]
    coordinates: tuple[str, ...]
    activation: Array
    muscle_force: Array
    activation_error: Array
    force_error: Array
    moment_error: Array
    interval_error: Array

    def findings(self) -> list[str]:
        """The text of each of ``entries``."""
        return [finding.text for finding in self.entries()]

    def entries(self) -> list[Finding]:
        """Findings: muscles whose activation or force departs by more than its limit, or that integration failed."""
        errors = {"activations": self.activation_error, "forces": self.force_error}
        if any(np.isnan(error).any() for error in errors.values()):
            return [Finding("integration_failed")]
        found, values = [], {"muscles": len(self.muscles)}
        for code, error in errors.items():
            worst = np.flatnonzero(error > INTEGRATION_LIMITS[code]).tolist()
            if names := {self.muscles[m]: float(error[m]) for m in worst}:
                found.append(Finding(code, largest=float(self.interval_error.max()), names=names, values=values))
        return found

    def summary(self) -> dict[str, Any]:
        """The largest errors and where they are, as plain data; None where integration failed."""
        return {
            "activation_error": _largest(self.activation_error, self.muscles),
            "force_error_share_of_peak": _largest(self.force_error, self.muscles),
            "moment_error": _largest(self.moment_error, self.coordinates),
            "interval_error": _largest(self.interval_error, range(len(self.interval_error))),
        }


def check_answer(nodes: Nodes, unknowns: Unknowns) -> ForwardCheck:
    """Integrate the muscles from the first point with the excitations found, and compare.

    Never raises: where integration fails there is NaN, and a finding.
    """
    problem, mesh = nodes.problem, nodes.mesh
    whole, ends = integrate(nodes, unknowns)
    activation = whole[..., 0]
    found, local = unknowns.activation, np.abs(ends[..., 0] - unknowns.activation[mesh.points[:, -1]])
    if nodes.fiber is None:
        force, expected = (problem.max_force * a + problem.passive_force for a in (activation, found))
    else:
        force, expected = (strength(problem) * f for f in (whole[..., 1], unknowns.force))
        local = np.maximum(local, np.abs(ends[..., 1] - unknowns.force[mesh.points[:, -1]]))
    difference = force - expected
    peak = np.abs(expected).max(axis=0)
    return ForwardCheck(
        muscles=problem.muscles,
        coordinates=problem.coordinates,
        activation=activation,
        muscle_force=force,
        activation_error=np.abs(activation - found).max(axis=0),
        force_error=np.abs(difference).max(axis=0) / np.maximum(peak, IDLE * strength(problem)),
        moment_error=_largest_moment(nodes, difference),
        interval_error=local.max(axis=1, initial=0.0),
    )


def _largest_moment(nodes: Nodes, force: Array) -> Array:
    """(D,) over time, of muscle forces (N, M)."""
    geometry = nodes.problem.geometry
    moment = np.zeros((len(force), len(geometry.coordinates)))
    for pair, (coordinate, muscle) in enumerate(zip(geometry.pair_coordinate, geometry.pair_muscle, strict=True)):
        moment[:, coordinate] += geometry.moment_arms[:, pair] * force[:, muscle]
    return np.asarray(np.abs(moment).max(axis=0))


def _largest(error: Array, names: Any) -> dict[str, Any]:
    """Value of the largest, and whose it is."""
    if not error.size or np.isnan(error).any():
        return {"largest": None, "at": None}
    worst = int(error.argmax())
    return {"largest": float(error[worst]), "at": names[worst]}
