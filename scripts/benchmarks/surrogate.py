"""What a static surrogate is worth: its errors on what it never saw, what always holds, and its cost beside the solver.

usage: python scripts/benchmarks/surrogate.py MODEL MOTION START END -g MOMENTS.sto --surrogate FOLDER [--variants 4]
           [--other MODEL MOTION START END --other-loads LOADS.xml --other-weld JOINT …]

FOLDER is what osimopt train wrote on other times of the motion than START to END. Variants are the model scaled body by
body (7 % together, 3 % each), with other strengths (10 % together, 15 % each), optimal fibre lengths (4 %) and tendon
slack lengths (1 %), from seeds 100, 101, …
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import parser, read, timing

import osimopt
from osimopt.problem.costs import get_cost
from osimopt.problem.problem import RedundancyProblem
from osimopt.surrogate.dual import whiten
from osimopt.surrogate.static import StaticSurrogate
from osimopt.training.static_surrogate import errors, judge_static
from osimopt.training.training_data import pick

VARIANT = """
import sys
import numpy as np, opensim as osim
osim.Logger.removeFileSink(); osim.Logger.setLevelString("error")
source, seed, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
random = np.random.default_rng(seed)
model = osim.Model(source); state = model.initSystem()
size, scales = np.exp(0.07 * random.standard_normal()), osim.ScaleSet()
for number in range(model.getBodySet().getSize()):
    scale = osim.Scale(); scale.setSegmentName(model.getBodySet().get(number).getName())
    scale.setScaleFactors(osim.Vec3(size * np.exp(0.03 * random.standard_normal()))); scale.setApply(True)
    scales.cloneAndAppend(scale)
model.scale(state, scales, True, model.getTotalMass(state) * size**3)
muscles, strong = model.getMuscles(), np.exp(0.10 * random.standard_normal())
for number in range(muscles.getSize()):
    muscle = muscles.get(number)
    strength = muscle.getMaxIsometricForce() * strong * np.exp(0.15 * random.standard_normal())
    muscle.setMaxIsometricForce(strength)
    muscle.setOptimalFiberLength(muscle.getOptimalFiberLength() * np.exp(0.04 * random.standard_normal()))
    muscle.setTendonSlackLength(muscle.getTendonSlackLength() * np.exp(0.01 * random.standard_normal()))
model.finalizeConnections(); model.printToXML(out)
"""
#: Duals that a network might say, in whitened units; all but the first are absurd.
SIZES = (1.0, 1e-6, 1e3, 1e12, 1e300)


def make_variant(model: Path, seed: int, folder: Path) -> Path:
    """A scaled and re-parameterised model."""
    out = folder / f"variant_{seed}.osim"
    subprocess.run([sys.executable, "-c", VARIANT, str(model.absolute()), str(seed), str(out)], check=True)
    return out


def violations(problem: RedundancyProblem, count: int) -> dict[str, int]:
    """Bounds that are violated by answers to random and adversarial duals: ``count`` of them in all."""
    frames, whitening = whiten(problem, get_cost("activation_power"))
    random, done, bad = torch.Generator().manual_seed(0), 0, 0
    while done < count:
        for size in SIZES:
            u = size * torch.randn(frames.target.shape, generator=random, dtype=torch.float64)
            u[:: len(SIZES)] = -u[:: len(SIZES)].abs()
            activation = whitening.unknowns(frames.answer(torch.nan_to_num(u)))[:, : len(problem.muscles)]
            inside = (activation >= problem.lower) & (activation <= problem.upper)
            bad, done = bad + int((~inside).any(axis=1).sum()), done + len(problem)
    return {"inputs": done, "violated": bad}


def throughput(surrogate: StaticSurrogate, problem: RedundancyProblem, sizes: list[int]) -> list[dict[str, Any]]:
    """Seconds for batches of frames: the network alone, the checked answer, and the exact solver on the same arrays."""
    calls = {
        "network_alone": surrogate.predict,
        "surrogate_checked": lambda whole: surrogate.solve(whole, on_failure="return"),
        "exact": lambda whole: osimopt.solve_static(whole, on_failure="return"),
    }
    rows = []
    for size in sizes:
        whole = pick(problem, np.arange(size) % len(problem))
        row: dict[str, Any] = {"frames": size}
        for name, call in calls.items():
            seconds = []
            for _ in range(5 if size <= 10_000 else 1):
                begin = time.perf_counter()
                call(whole)
                seconds.append(time.perf_counter() - begin)
            row[f"{name}_s"] = timing(seconds)
        rows.append(row)
        print(json.dumps(row), file=sys.stderr)
    return rows


def newton_instead(problem: RedundancyProblem, steps: int) -> list[dict[str, float]]:
    """What plain Newton steps (undamped, from the answer without bounds) come to, for comparison with the rounds."""
    exact = osimopt.solve_static(problem, on_failure="return").activation
    frames, whitening = whiten(problem, get_cost("activation_power"))
    u, found = frames.target, []
    for _ in range(steps):
        z = frames.unbounded(u)
        free = ((z > frames.lower) & (z < frames.upper)).double()
        curvature = (frames.matrix * free[:, None]) @ frames.matrix.transpose(1, 2)
        u = u + torch.linalg.solve(curvature + 1e-9 * torch.eye(curvature.shape[1]), frames.missing(u))
        found.append(errors(whitening.unknowns(frames.answer(u))[:, : len(problem.muscles)], exact))
    return found


def main() -> None:
    """Run the benchmark and print JSON."""
    arguments = _arguments()
    surrogate = osimopt.Surrogate.load(arguments.surrogate)
    options = {"generalized_force": arguments.generalized_force, "external_loads": arguments.loads}
    unseen = read(arguments.model, arguments.motion, arguments.start, arguments.end, **options)
    report: dict[str, Any] = {"unseen": judge_static(surrogate, [unseen])}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(100, 100 + arguments.variants):
            model = make_variant(arguments.model, seed, Path(folder))
            variant = read(model, arguments.motion, arguments.start, arguments.end, **options)
            report[f"variant_{seed}"] = judge_static(surrogate, [variant])
    if arguments.other:
        model, motion, start, end = arguments.other
        other = read(
            model,
            Path(motion),
            float(start),
            float(end),
            external_loads=arguments.other_loads,
            weld=arguments.other_weld,
        )
        report["other"] = judge_static(surrogate, [other])
    report["newton_steps_instead"] = newton_instead(unseen, 4)
    report["bounds"] = violations(unseen, arguments.inputs)
    report["throughput"] = throughput(surrogate, unseen, [1, 100, 10_000, *([] if arguments.quick else [1_000_000])])
    print(json.dumps(report, indent=2))


def _arguments() -> Any:
    made = parser(__doc__)
    made.add_argument("--generalized-force", "-g")
    made.add_argument("--loads")
    made.add_argument("--surrogate", required=True)
    made.add_argument("--variants", type=int, default=4)
    made.add_argument("--other", nargs=4, metavar=("MODEL", "MOTION", "START", "END"))
    made.add_argument("--other-loads")
    made.add_argument("--other-weld", nargs="*", default=[])
    made.add_argument("--inputs", type=int, default=1_000_000)
    made.add_argument("--quick", action="store_true", help="without the batch of a million")
    arguments = made.parse_args()
    arguments.model, arguments.motion = Path(arguments.model), Path(arguments.motion)
    return arguments


if __name__ == "__main__":
    main()
