"""Errors of muscle paths that are functions of body scale, on bodies that were never seen.

usage: python scripts/benchmarks/geometry_scaled.py MODEL MOTION --scale pelvis=pelvis thigh=femur_r,femur_l
           shank=tibia_r,tibia_l [--bodies 40] [--unseen 2] [--postures 128] [--epochs 60]

Each factor scales its bodies by 0.9 to 1.1 (Latin hypercube, seed 1); the unseen ones are drawn with seed 2.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import qmc

from osimopt.adapters.model import read_model
from osimopt.adapters.path_sampling import sample_paths
from osimopt.polynomial.samples import PathErrors, measure_errors
from osimopt.surrogate.geometry_training import OPTIONS
from osimopt.training.geometry_network import fit_geometry_network

SCALED = """
import json, sys
import opensim as osim
osim.Logger.removeFileSink(); osim.Logger.setLevelString("error")
source, factors, out = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
model, scales = osim.Model(source), osim.ScaleSet()
state = model.initSystem()
for body, factor in factors.items():
    scale = osim.Scale(); scale.setSegmentName(body); scale.setScaleFactors(osim.Vec3(factor)); scale.setApply(True)
    scales.cloneAndAppend(scale)
model.scale(state, scales, False); model.printToXML(out)
"""
#: Least and largest factor, and postures in which unseen bodies are judged.
LOW, HIGH, JUDGED = 0.9, 1.1, 256


def scaled(model: str, bodies: dict[str, list[str]], count: int, seed: int, folder: Path) -> list[Any]:
    """Paths of ``count`` scaled models with their factors by name."""
    drawn = LOW + (HIGH - LOW) * qmc.LatinHypercube(len(bodies), seed=seed).random(count)
    made = []
    for number, row in enumerate(drawn.tolist()):
        factors = dict(zip(bodies, row, strict=True))
        out = folder / f"body_{seed}_{number}.osim"
        by_body = {body: factors[name] for name, own in bodies.items() for body in own}
        arguments = [str(Path(model).absolute()), json.dumps(by_body), str(out)]
        subprocess.run([sys.executable, "-c", SCALED, *arguments], check=True)
        made.append((out, factors))
    return made


def summary(errors: PathErrors) -> dict[str, float]:
    """Moment arms in mm over the muscles, and how many are near."""
    arm = 1e3 * errors.moment_arm_rms
    return {
        "muscles": len(errors.muscles),
        "moment_arm_rms_mm_median": float(np.median(arm)),
        "moment_arm_rms_mm_worst": float(arm.max()),
        "length_rms_mm_worst": 1e3 * float(errors.length_rms.max()),
        "within_0.1_mm": int(errors.within(1e-4).sum()),
        "within_0.5_mm": int(errors.within(5e-4).sum()),
    }


def main() -> None:
    """Run the benchmark and print JSON."""
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    made.add_argument("model")
    made.add_argument("motion")
    made.add_argument("--scale", nargs="+", required=True, metavar="NAME=BODY[,BODY]")
    made.add_argument("--bodies", type=int, default=40)
    made.add_argument("--unseen", type=int, default=2)
    made.add_argument("--postures", type=int, default=128)
    made.add_argument("--epochs", type=int, default=60)
    arguments = made.parse_args()
    bodies = {name: own.split(",") for name, own in (word.split("=") for word in arguments.scale)}
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        known = scaled(arguments.model, bodies, arguments.bodies, 1, Path(name))
        unseen = scaled(arguments.model, bodies, arguments.unseen, 2, Path(name))
        begin = time.perf_counter()
        trained = fit_geometry_network(
            arguments.model, [arguments.motion], kind="network", scaled=known, postures=arguments.postures,
            options=replace(OPTIONS, epochs=arguments.epochs, batch_size=256),
        )  # fmt: skip
        report: dict[str, Any] = {
            "fit_s": time.perf_counter() - begin,
            "held_out_bodies": summary(trained.errors),
            "polynomials_alone": summary(trained.polynomial_errors),
        }
        for path, factors in unseen:
            _, samples = sample_paths(read_model(path, ()), [arguments.motion], JUDGED)
            samples = samples.keep(trained.surrogate.muscles)
            every = np.arange(len(samples.value))
            row = {"factors": factors, **summary(measure_errors(trained.surrogate.scaled(factors), samples, every))}
            report.setdefault("unseen", []).append(row)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
