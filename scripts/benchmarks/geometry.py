"""Errors of muscle paths by polynomials and by networks, against exact paths or OpenSim's own.

usage: python scripts/benchmarks/geometry.py MODEL MOTION [MOTION ...] [--weld JOINT ...] [--postures 2048]
                                             [--geometry exact] [--kinds best] [--file PATHS.xml]

Length and moment arm of every muscle, root mean square and 99th percentile, in postures that were not fitted: of
fit_geometry in a thousand others, of networks in those held out. A file of paths fitted elsewhere, as by OpenSim's
PolynomialPathFitter, is measured in the same thousand. Consistency is the largest difference between a moment arm that
is returned and -dl/dq of the returned length by torch's own differentiation. Time is of the fit, of the processor too,
in a process that has made one before, and of lengths, moment arms and speeds of a thousand frames.
"""

import argparse
import json
import time
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import torch

import osimopt
from osimopt import PolynomialGeometry
from osimopt.adapters.exact import GEOMETRIES, read_exact
from osimopt.adapters.model import read_model
from osimopt.adapters.path_sampling import sample_paths
from osimopt.polynomial.samples import PathSamples, measure_errors
from osimopt.surrogate.geometry import GeometrySurrogate
from osimopt.surrogate.geometry_training import Kind, TrainedGeometry
from osimopt.training.geometry_network import fit_geometry_network

#: m within which lengths and moment arms shall be: root mean square, and the 99th percentile.
RMS, P99 = 1e-4, 1e-3
#: m within which moment arms shall be, root mean square; and the first posture of the sequence that is not fitted.
ARM, FRESH = 1e-3, 10000


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


def polynomials_row(model: str, motions: list[str], **how: Any) -> dict[str, Any]:
    """What is reported of fit_geometry, and the samples in which it is measured."""
    for _ in range(2):
        begin, processor = time.perf_counter(), time.process_time()
        geometry = osimopt.fit_geometry(model, motions, **how)
        spent = {"fit_s": time.perf_counter() - begin, "fit_processor_s": time.process_time() - processor}
    orders = [polynomial.order for polynomial in geometry.polynomials]
    reasons = {name: fit.flags[0] for name, fit in geometry.missed.items()}
    return {"row": {**spent, "highest_order": max(orders), "left": reasons}, "paths": geometry}


def errors_row(paths: PolynomialGeometry, samples: PathSamples) -> dict[str, Any]:
    """Errors of polynomials in samples of the paths that they stand for."""
    known = [name for name in samples.muscles if name in paths.muscles]
    errors = measure_errors(paths, samples.keep(known))
    worst = errors.to_dataframe().nlargest(5, "moment_arm_rms_mm")
    return {
        "muscles": len(known),
        "length_within_0.1_mm": int((errors.length_rms <= RMS).sum()),
        "moment_arm_within_1_mm": int((errors.moment_arm_rms <= ARM).sum()),
        "length_rms_mm": _spread(errors.length_rms),
        "moment_arm_rms_mm": _spread(errors.moment_arm_rms),
        "snapped_percent": {
            name: round(100.0 * share, 2) for name, share in zip(known, errors.snapped, strict=True) if share
        },
        "worst": worst[["length_rms_mm", "moment_arm_rms_mm"]].round(3).to_dict("index"),
    }


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
    made.add_argument("--kinds", nargs="*", default=["best"], choices=get_args(Kind))
    made.add_argument("--geometry", default="exact", choices=GEOMETRIES)
    made.add_argument("--file")
    arguments = made.parse_args()
    report = {}
    how = {"weld": arguments.weld, "geometry": arguments.geometry, "postures": arguments.postures}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = polynomials_row(arguments.model, arguments.motion, **how)
        model = read_model(arguments.model, arguments.weld)
        exact = read_exact(model) if arguments.geometry == "exact" else None
        _, samples = sample_paths(model, arguments.motion, 1024, skip=FRESH, exact=exact)
        samples = replace(samples, fitted=0)
        report["fit_geometry"] = found["row"] | errors_row(found["paths"], samples)
        if arguments.file:
            report["file"] = errors_row(PolynomialGeometry.read(arguments.file), samples)
    for kind in arguments.kinds:
        begin = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trained = fit_geometry_network(arguments.model, arguments.motion, kind=kind, **how)
        report[kind] = row_of(trained, time.perf_counter() - begin)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
