"""OpenSim's functions, described in pieces, and OpenSim's values of them."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import model_zoo
import numpy as np
import opensim as osim
import random_models

from osimopt.adapters.worker.coordinates import evaluate
from osimopt.adapters.worker.functions import NotDescribedError, Rows

#: Random functions beside those of the zoo; arguments of each.
RANDOM, ARGUMENTS = 60, 40
#: Two functions that OpenSim's texts of them, and its ``isEqualTo``, do not tell apart.
CLOSE = (0.123456789, 0.123456788)


def functions() -> dict[str, Any]:
    """Those of the zoo that have one argument, GCV splines of all degrees, and random ones."""
    made = {name: make() for name, (make, arguments) in model_zoo.FUNCTIONS.items() if arguments == 1}
    for degree, count in product((1, 3, 5, 7), (8, 9, 15)):
        spline = osim.GCVSpline()
        spline.setDegree(degree)
        for x in range(count):
            spline.addPoint(0.3 * x - 1.0, float(np.sin(2.7 * x)))
        made[f"gcv_{degree}_{count}"] = spline
    draw = random_models.Draw(3)
    made |= {f"random_{number}": draw.function(1.0) for number in range(RANDOM)}
    nested = osim.Sine(0.3, 2.0, 0.4, 0.1)
    for scale in (-2.0, 0.7):
        nested.thisown = False
        nested = osim.MultiplierFunction(nested, scale)
    made["nested"] = nested
    one_point = osim.PiecewiseLinearFunction()
    one_point.addPoint(0.3, 0.7)
    made["one_point"] = one_point
    twice = osim.SimmSpline()
    for x, y in ((0.0, 1.0), (1.0, 2.0), (1.0, 3.0), (2.0, 5.0), (4.0, 1.0)):
        twice.addPoint(x, y)
    made["a_knot_twice"] = twice
    short = osim.GCVSpline()
    short.setDegree(7)
    short.addPoint(0.0, 1.0)
    made["too_short"] = short
    return made | {f"close_{number}": osim.LinearFunction(1.0, intercept) for number, intercept in enumerate(CLOSE)}


def write(folder: Path) -> None:
    """Leave ``functions.npz``: the arrays of all that are described, and why others are not."""
    rows, found, refused = Rows(), {}, {}
    random = np.random.default_rng(11)
    for name, function in functions().items():
        x = random.uniform(-6.0, 6.0, ARGUMENTS)
        try:
            found[name] = rows.add(function), x, [evaluate(function, x[i : i + 1]) for i in range(len(x))]
        except NotDescribedError as error:
            refused[name] = str(error)
    arrays = rows.arrays()
    row, x, value = (np.array(part) for part in zip(*found.values(), strict=True))
    np.savez(
        folder / "functions.npz", names=list(found), row=row, x=x, value=value,
        refused=list(refused), why=list(refused.values()),
        breaks=arrays.breaks, origin=arrays.origin, coefficients=arrays.coefficients, sine=arrays.sine,
    )  # fmt: skip
