"""Errors of muscle paths by polynomials and by networks, against OpenSim's own, in postures that were held out.

usage: python scripts/benchmarks/geometry.py MODEL MOTION [MOTION ...] [--weld JOINT ...] [--postures 2048]

Length and moment arm of every muscle, root mean square and 99th percentile; consistency is the largest difference
between a moment arm that is returned and -dl/dq of the returned length by torch's own differentiation. Time is of
lengths, moment arms and speeds of a thousand frames, OpenSim's of the postures that were sampled to fit.
"""

import argparse
import json
import time
import warnings
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import torch

from osimopt.surrogate.geometry import GeometrySurrogate
from osimopt.surrogate.geometry_training import Kind, TrainedGeometry
from osimopt.training.geometry_network import fit_geometry_network

#: m within which lengths and moment arms shall be: root mean square, and the 99th percentile.
RMS, P99 = 1e-4, 1e-3


def inconsistency(surrogate: GeometrySurrogate, frames: int = 200) -> float:
    """Largest difference in m between moment arms and -dl/dq of the lengths, at random postures in range."""
    names = surrogate.coordinates
    low, high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for polynomial in surrogate.polynomials.polynomials:
        for name, least, most in zip(
            polynomial.coordinates,
            surrogate.fits[polynomial.name].low,
            surrogate.fits[polynomial.name].high,
            strict=True,
        ):
            place = names.index(name)
            low[place], high[place] = min(low[place], least), max(high[place], most)
    value = np.random.default_rng(0).uniform(low, high, (frames, len(names)))
    given = surrogate.evaluate(names, value)
    arms = np.zeros((frames, len(given.coordinates), len(surrogate.muscles)))
    arms[:, given.pair_coordinate, given.pair_muscle] = given.moment_arms
    worst = 0.0
    point = torch.tensor(value, dtype=torch.float64, requires_grad=True)
    length = surrogate.lengths(names, point)
    for muscle in range(length.shape[1]):
        (slope,) = torch.autograd.grad(length[:, muscle].sum(), point, retain_graph=True)
        expected = -slope.numpy()[:, [names.index(name) for name in given.coordinates]]
        worst = max(worst, float(np.abs(arms[:, :, muscle] - expected).max()))
    return worst


def row_of(trained: TrainedGeometry, seconds: float) -> dict[str, Any]:
    """What is reported of one fit."""
    errors, surrogate = trained.errors, trained.surrogate
    near = (errors.length_p99 <= P99) & (errors.moment_arm_p99 <= P99)
    value = np.zeros((1000, len(surrogate.coordinates)))
    begin = time.perf_counter()
    surrogate.evaluate(surrogate.coordinates, value, value)
    evaluated = time.perf_counter() - begin
    table = trained.to_dataframe()
    missed = table[["length_rms_mm", "moment_arm_rms_mm"]].max(axis=1) > 1e3 * RMS
    return {
        "muscles": len(errors.muscles),
        "left_to_opensim_mm": {name: round(1e3 * mismatch, 2) for name, mismatch in surrogate.left.items()},
        "networks": len(surrogate.networked),
        "within_rms": int(errors.within(RMS).sum()),
        "within_p99": int(near.sum()),
        "length_rms_mm": _spread(errors.length_rms),
        "moment_arm_rms_mm": _spread(errors.moment_arm_rms),
        "missed": {
            str(name): {key: round(float(row[key]), 3) for key in ("length_rms_mm", "moment_arm_rms_mm")}
            | {"snapped_percent": round(float(row["snapped_percent"]), 2), "flags": row["flags"]}
            for name, row in table[missed].iterrows()
        },
        "inconsistency_m": inconsistency(surrogate),
        "fit_s": seconds,
        "thousand_frames_ms": 1e3 * evaluated,
    }


def _spread(errors: Any) -> Mapping[str, float]:
    return {"median": 1e3 * float(np.median(errors)), "worst": 1e3 * float(errors.max())}


def main() -> None:
    """Run the benchmark and print JSON."""
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    made.add_argument("model")
    made.add_argument("motion", nargs="+")
    made.add_argument("--weld", nargs="*", default=[])
    made.add_argument("--postures", type=int, default=2048)
    made.add_argument("--kinds", nargs="*", default=["polynomial", "best", "network"], choices=get_args(Kind))
    arguments = made.parse_args()
    report = {}
    for kind in arguments.kinds:
        begin = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trained = fit_geometry_network(
                arguments.model, arguments.motion, kind=kind, weld=arguments.weld, postures=arguments.postures
            )
        report[kind] = row_of(trained, time.perf_counter() - begin)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
