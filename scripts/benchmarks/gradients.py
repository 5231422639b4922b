"""Gradients of geometry, dynamics and muscle forces by torch, beside central differences, as JSON.

`python scripts/benchmarks/gradients.py MODEL.osim...`: the relative difference along a random direction, by what is
differentiated and by what. Postures are random around the model's default. `solved` is the whole chain, from
coordinates and the model's numbers to what a muscle can do, of which a calibration needs the derivatives.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from osimopt.adapters.model import read_model
from osimopt.multibody.description import Multibody
from osimopt.multibody.dynamics import inverse_dynamics
from osimopt.multibody.kinematics import posture
from osimopt.multibody.scaling import scale_bodies
from osimopt.muscle.forces import rigid_tendon_gain, rigid_tendon_passive, supported
from osimopt.paths.arms import moment_arms
from osimopt.paths.arrangement import Arrangement, arrange
from osimopt.paths.description import Paths
from osimopt.paths.scaling import scale_paths
from osimopt.paths.solve import lengths, solve_paths
from osimopt.problem.arrays import MuscleParameters

#: Share of a parameter by which differences of fourth order step; frames; rad or m of the postures; share of the
#: largest entry below which a derivative along a direction counts as none.
STEP, FRAMES, SPREAD, NONE = 1e-5, 5, 0.25, 1e-9
#: What is differentiated by: arrays of the motion, the tree, the paths and the muscles.
MOTION = ("q", "u", "du")
TREE = ("mass", "center", "inertia", "inboard", "outboard")
PATHS = ("place", "size", "frame")
MUSCLES = ("max_isometric_force", "optimal_fiber_length", "tendon_slack_length", "pennation_angle",
           "max_contraction_velocity")  # fmt: skip


def solved(
    multibody: Multibody,
    arrangement: Arrangement,
    muscles: MuscleParameters | None,
    columns: Any,
    given: dict[str, Any],
) -> dict[str, Any]:
    """Lengths, moment arms, generalized forces, and the gain and passive force of muscles, with numbers as ``given``.

    All arrays are of one library; what is not given is the model's own.
    """
    tree = replace(multibody.tree, **{name: given[name] for name in TREE if name in given})
    multibody = replace(multibody, tree=tree)
    arrangement = replace(arrangement, **{name: given[name] for name in PATHS if name in given})
    if "factors" in given:
        arrangement = scale_paths(multibody, arrangement, given["factors"])
        multibody = scale_bodies(multibody, given["factors"])
    at = posture(multibody, given["q"])
    strands = solve_paths(arrangement, at)
    arms = moment_arms(arrangement, strands, at)
    length = lengths(arrangement, strands)
    found = {"lengths": length, "moment arms": arms.value}
    found["generalized forces"] = inverse_dynamics(multibody, *(given[name] for name in MOTION))
    if muscles is not None:
        own = replace(muscles, **{name: given[name] for name in MUSCLES if name in given})
        speed = arms.lengthening_speed(len(arrangement.names), given["u"])
        found["gain"] = rigid_tendon_gain(own, length[:, columns], speed[:, columns])
        found["passive force"] = rigid_tendon_passive(own, length[:, columns])
    return {name: value for name, value in found.items() if 0 not in value.shape}


def table(model: Path) -> dict[str, dict[str, float]]:
    """Relative differences by parameter, then by result, of a model."""
    read = read_model(model)
    multibody, paths = read.described.multibody, read.described.paths
    arrangement = arrange(paths)
    muscles, columns = described(read.description.muscles, paths)
    random = np.random.default_rng(1)
    shape = FRAMES, len(multibody.coordinates)
    base = {
        "q": multibody.values + random.uniform(-SPREAD, SPREAD, shape),
        "u": random.uniform(-1.0, 1.0, shape),
        "du": random.uniform(-5.0, 5.0, shape),
    }
    given = {
        **base,
        **{name: getattr(multibody.tree, name) for name in TREE},
        **({name: getattr(arrangement, name) for name in PATHS} if len(arrangement.names) else {}),
        **({name: getattr(muscles, name) for name in MUSCLES} if muscles else {}),
        "factors": random.uniform(0.95, 1.05, (len(multibody.tree.bodies), 3)),
    }

    def of(name: str) -> Callable[[Any], dict[str, Any]]:
        def act(x: Any) -> dict[str, Any]:
            tensor = isinstance(x, torch.Tensor)
            motion = {key: torch.tensor(array) if tensor else array for key, array in base.items()}
            return solved(multibody, arrangement, muscles, columns, {**motion, name: x})

        return act

    return {name: directional(of(name), array) for name, array in given.items() if array.size}


def described(muscles: MuscleParameters, paths: Paths) -> tuple[MuscleParameters | None, Any]:
    """Muscles whose paths and forces are computed, and their columns among the lengths."""
    has = np.array([path is not None for path in paths.muscles], dtype=bool)
    known = has & supported(muscles)
    return (muscles.select(known), np.flatnonzero(known[has])) if known.any() else (None, None)


def directional(function: Callable[[Any], dict[str, Any]], at: Any) -> dict[str, float]:
    """Relative differences of derivatives by autograd from central differences, along a random direction."""
    random = np.random.default_rng(0)
    way = random.normal(size=at.shape) * np.where(at == 0.0, 0.0, np.maximum(np.abs(at), 0.05))
    leaf = torch.tensor(at, requires_grad=True)
    results = function(leaf)
    moved = [function(at + steps * STEP * way) for steps in (2, 1, -1, -2)]
    report = {}
    for name, found in results.items():
        if not found.requires_grad:
            continue
        weights = random.normal(size=tuple(found.shape))
        (grad,) = torch.autograd.grad((found * torch.tensor(weights)).sum(), leaf, retain_graph=True, allow_unused=True)
        slope = 0.0 if grad is None else float((grad * torch.tensor(way)).sum())
        twice, once, back, far = (float((one[name] * weights).sum()) for one in moved)
        difference = (8.0 * (once - back) - twice + far) / (12.0 * STEP)
        size = float(np.abs(found.detach().numpy() * weights).max())
        if np.isnan(slope) or max(abs(slope), abs(difference)) > NONE * size:
            report[name] = abs(slope - difference) / abs(difference)
    return report


def main() -> None:
    """Print a table for each model."""
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    made.add_argument("models", nargs="+", type=Path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = {str(model): table(model) for model in made.parse_args().models}
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
