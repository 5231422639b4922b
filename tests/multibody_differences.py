"""Largest differences of multibody dynamics in arrays from OpenSim's answers (``multibody_oracle.py``)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from mechanics_cases import describe
from multibody_cases import joint_reactions
from simbody_faults import as_opensim

from osimopt.multibody.constraints import constraint_bias, constraint_jacobian, constraint_rows
from osimopt.multibody.dynamics import about_speeds, inverse_dynamics, mass_matrix, transmitted
from osimopt.multibody.kinematics import Posture, posture, velocity
from osimopt.multibody.rates import drift, to_rates

Arrays = dict[str, np.ndarray]


def off(one: np.ndarray, other: np.ndarray) -> float:
    """Largest difference as a share of the largest number."""
    size = np.abs(other).max(initial=0.0)
    return float(np.abs(one - other).max(initial=0.0) / (size if size > 0.0 else 1.0))


def kinematics(path: Path, says: Arrays) -> dict[str, float]:
    """Of transforms, Jacobians, velocities, accelerations and N, at random coordinates and speeds."""
    multibody, _ = describe(path)
    bodies = [multibody.tree.bodies.index(name) for name in says["bodies"]]
    at = posture(multibody, says["q"])
    rotation, place = (np.moveaxis(part, -1, 0)[:, bodies] for part in (at.rotations, at.positions))
    moving = as_opensim(at, velocity(at, says["u"], says["falling"]), says["u"])
    twist, change = (np.moveaxis(part, -1, 0)[:, bodies] for part in (moving.twists, moving.changes))
    linear = twist[..., 3:] + np.cross(twist[..., :3], place)
    faster = change[..., 3:] + np.cross(change[..., :3], place) + np.cross(twist[..., :3], linear)
    columns = np.moveaxis(at.columns * at.beyond[:, :, None, None], -1, 0)[:, bodies]
    shifts = columns[..., 3:] + np.cross(columns[..., :3], place[:, :, None])
    falls = ~np.isnan(says["falling"]).any(axis=1)
    return {
        "rotations": off(rotation, says["transform"][..., :3, :3]),
        "positions": off(place, says["transform"][..., :3, 3]),
        "velocities": off(np.concatenate([twist[..., :3], linear], axis=-1), says["velocity"]),
        "accelerations": off(np.concatenate([change[..., :3], faster], axis=-1)[falls], says["acceleration"][falls]),
        "Jacobians": off(np.concatenate([columns[..., :3], shifts], axis=-1).swapaxes(-1, -2), says["jacobian"]),
        "rates": off(to_rates(multibody, says["q"], says["u"]), says["rate"]),
        "drift": off(drift(multibody, says["q"], says["u"]), says["drift"]),
    }


def dynamics(path: Path, says: Arrays) -> dict[str, float]:
    """Of the mass matrix and inverse dynamics, with and without wrenches on bodies; of constraints, if there are any.

    ``as it is`` is inverse dynamics with accelerations that are slopes of velocities, which OpenSim's are not where one
    coordinate turns several axes of a joint; all others are with OpenSim's.
    """
    multibody, _ = describe(path)
    tree = multibody.tree
    bodies = [tree.bodies.index(name) for name in says["bodies"]]
    at = posture(multibody, says["q"])
    place = np.moveaxis(at.positions, -1, 0)[:, bodies]
    wrench = np.zeros((len(place), len(tree.bodies), 6))
    moment, force = says["wrench"][..., :3], says["wrench"][..., 3:]
    wrench[:, bodies] = np.concatenate([moment + np.cross(place, force), force], axis=-1)
    weightless = posture(replace(multibody, gravity=np.zeros(3)), says["q"])
    ours = inverse_dynamics(multibody, says["q"], says["u"], says["change"])
    found = {
        "mass matrix": off(mass_matrix(at), says["mass"]),
        "inverse dynamics": off(_as_opensim(at, says), says["force"]),
        "with wrenches": off(_as_opensim(weightless, says, wrench), says["loaded"]),
        "as it is": off(ours, says["force"]),
    }
    if "G" in says:
        rows = constraint_rows(at)
        still = as_opensim(at, velocity(at, says["u"]), says["u"])
        found |= {
            "errors": off(rows.errors.T, says["error"]),
            "constraint Jacobian": off(np.moveaxis(constraint_jacobian(at, rows), -1, 0), says["G"]),
            "bias": off(constraint_bias(at, still).T, says["bias"]),
        }
    return found


def _as_opensim(at: Posture, says: Arrays, wrench: np.ndarray | None = None) -> np.ndarray:
    moving = as_opensim(at, velocity(at, says["u"], says["change"]), says["u"])
    return np.asarray(about_speeds(at, transmitted(at, moving, wrench)).T)


def reaction(path: Path, says: Arrays) -> dict[str, float]:
    """Of joint reactions in free fall from postures in which loops are closed.

    OpenSim gives a joint whose parent is farther from ground the reaction of another: that above its child. Where
    constraints leave a reaction open it gives that of least multipliers.
    """
    multibody, _ = describe(path)
    at, speed = posture(multibody, says["reacting_at"]), says["reacting_speed"]
    moving = as_opensim(at, velocity(at, speed, says["reacting_change"]), speed)
    backward = {name for name, back in zip(multibody.tree.joints, multibody.tree.backward, strict=True) if back}
    names = [str(name) for name in says["joints"] if name not in backward]
    found = joint_reactions(at, moving, names, np.flatnonzero(~says["held"]).tolist(), refuse=False)
    expected = says["reacting_reaction"][:, [list(says["joints"]).index(name) for name in names]]
    return {"forces": off(found[..., :3], expected[..., 3:]), "moments": off(found[..., 3:], expected[..., :3])}
