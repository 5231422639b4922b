"""From a motion to muscle forces on a GPU: frames per second, memory, and equality with NumPy.

usage: python scripts/benchmarks/gpu.py BUNDLE [--make MODEL MOTION [LOADS]] [--device cuda] [--frames N]
       [--solver-frames N] [--seconds 240]

With ``--make`` the model is described by OpenSim, the motion and the loads are read, and all of it is kept in the file
BUNDLE (the arm of the package without a model); this needs no GPU. Without it the file is measured, in another call or
on another machine, which needs neither OpenSim nor CasADi: NumPy, SciPy, pandas, threadpoolctl and torch are enough.

The motion is repeated to the number of frames. Measured are: motion to forces (motion and loads uploaded, exact paths,
moment arms, inverse dynamics, gains, the exact solve with its certificate, tendon forces; and the same with forces
downloaded), its parts, the solver alone, samples of uncertain muscles, the memory of the device, and the largest
differences from NumPy in a subset. The first call of each is not counted; medians of three; the device is waited for
before a clock is read. A part that fails says so, and the others go on. Without a CUDA device the script says "not
measured" for it, and measures torch's CPU on fewer frames. It ends within ``--seconds``: parts that do not fit are
named.
"""

import argparse
import json
import pickle
import statistics
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

try:
    import array_api_compat
except ImportError:  # SciPy brings the same library
    from scipy._lib import array_api_compat

    sys.modules["array_api_compat"] = array_api_compat

import osimopt
from osimopt.adapters.exact_chain import WIDTH, ExactChain, joined
from osimopt.devices import Device
from osimopt.multibody.loads import MeasuredLoads
from osimopt.muscle.forces import rigid_tendon_gain
from osimopt.namespace import filled
from osimopt.problem.arrays import Kinematics
from osimopt.problem.problem import RedundancyProblem

#: Frames on a CUDA device and on torch's CPU: motion to forces, and the solver alone.
FRAMES, SOLVER_FRAMES = {"cuda": 131_072, "cpu": 1_000}, {"cuda": 1_000_000, "cpu": 10_000}
#: Frames that NumPy computes again.
JUDGED = 100
#: Bytes of a frame on the device in the solver, at most.
FRAME_BYTES = 40_000
REPEATS = 3


def make(path: Path, model: str, motion: str, loads: str | None) -> None:
    """Write all that is measured to a file."""
    from osimopt.adapters.load import open_trial
    from osimopt.adapters.options import ReadOptions

    trial = open_trial(ReadOptions(model, motion, loads, geometry="exact"))
    chain = trial.extraction.chain
    assert chain is not None
    problem = trial.problem()
    if not trial.extraction.chain or trial.extraction.choice.by_model or chain.dynamics is None:
        raise SystemExit(f"{model}: OpenSim computes a part of its arrays: it cannot be measured on a device alone.")
    measured = chain.dynamics.measured(trial.motion.time)
    kept = {
        "chain": replace(chain, dynamics=replace(chain.dynamics, loads=None)),
        "motion": trial.motion, "loads": measured, "problem": replace(problem, source=None, kinematics=None),
    }  # fmt: skip
    path.write_bytes(pickle.dumps(kept))
    print(f"{path}: {problem}, {path.stat().st_size / 1e6:.1f} MB")


class Case:
    """The frames of a file over and over, and what is computed of them on a device."""

    def __init__(self, kept: dict[str, Any], device: str) -> None:
        self.chain: ExactChain = kept["chain"]
        self.motion: Kinematics = kept["motion"]
        self.loads: MeasuredLoads | None = kept["loads"]
        self.problem: RedundancyProblem = kept["problem"]
        self.device = Device.of(device)
        followed = self.chain.following(self.motion)
        geometry = self.problem.geometry
        pairs = np.stack([geometry.pair_coordinate, geometry.pair_muscle])
        assert np.array_equal(np.stack([followed.coordinate, followed.acting]), pairs), (
            "the pairs of the file are others"
        )

    def rows(self, frames: int) -> np.ndarray:
        """Frames of the file, over and over."""
        return np.arange(frames) % len(self.motion.time)

    def arrays(self, rows: np.ndarray) -> dict[str, Any]:
        """Upload frames of the motion, and compute paths, moment arms and moments of them."""
        block, blocks = self.device.together(WIDTH * len(self.chain.paths.pairs[0])), []
        for start in range(0, len(rows), block):
            own = rows[start : start + block]
            loads = None if self.loads is None else self.loads.moved(lambda array, own=own: array[..., own])
            loads = None if loads is None else loads.moved(self.device.put)
            motion = self.motion.frames(own)
            blocks.append(self.chain.block(motion.moved(motion.time, self.device.put), loads).arrays)
        return joined(blocks)

    def gains(self, arrays: dict[str, Any]) -> Any:
        """Forces (T, M) at activation 1."""
        return rigid_tendon_gain(self.problem.parameters, arrays["length"], arrays["lengthening_speed"])

    def made(self, arrays: dict[str, Any], gain: Any) -> RedundancyProblem:
        """The problem of computed arrays."""
        names = ("moment_arms", "length", "lengthening_speed")
        geometry = replace(self.problem.geometry, **{name: arrays[name] for name in names})
        return replace(
            self.problem, time=np.arange(float(len(gain))), geometry=geometry, max_force=gain,
            generalized_force=arrays["generalized_force"],
            passive_force=filled(tuple(gain.shape), 0.0, gain), reserves=self._reserves(len(gain)),
        )  # fmt: skip

    def forces(self, rows: np.ndarray) -> tuple[Any, Any]:
        """Activations and tendon forces (T, M) of frames, on the device."""
        arrays = self.arrays(rows)
        solution = osimopt.solve_static(self.made(arrays, self.gains(arrays)), on_failure="return")
        return solution.activation, solution.muscle_force

    def repeated(self, frames: int) -> RedundancyProblem:
        """The problem of the file on the device, with one per cent of noise in its moments."""
        rows = self.rows(frames)
        noise = 1.0 + 0.01 * np.random.default_rng(0).normal(size=(frames, 1))
        small = self.problem.to("cpu")
        whole = replace(
            small, time=np.arange(float(frames)), geometry=small.geometry.frames(rows),
            max_force=small.max_force[rows], passive_force=small.passive_force[rows],
            generalized_force=small.generalized_force[rows] * noise, reserves=self._reserves(frames),
        )  # fmt: skip
        return whole.moved(whole.time, self.device.put)

    def _reserves(self, frames: int) -> Any:
        reserves = self.problem.reserves
        return reserves if len(reserves.effect) == 1 else reserves.frames(self.rows(frames)).moved(self.device.put)


class Clock:
    """Medians of calls on a device, within a number of seconds in all."""

    def __init__(self, device: str, seconds: float) -> None:
        self.cuda, self.end = device.startswith("cuda"), time.perf_counter() + seconds
        self.results: dict[str, Any] = {}

    def once(self, call: Callable[[], Any]) -> tuple[float, Any]:
        """Seconds and result of a call."""
        self._wait()
        start = time.perf_counter()
        found = call()
        self._wait()
        return time.perf_counter() - start, found

    def part(self, name: str, work: Callable[[], Any]) -> Any:
        """The result of a part; None if it fails, or where there is no time left."""
        if time.perf_counter() > self.end:
            self.results[name] = "not measured: no time left"
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = work()
        except Exception as error:  # nobody can look at the device afterwards
            traceback.print_exc()
            found = f"failed: {type(error).__name__}: {error}"
        self.results[name] = found
        print(f"{name}: {found}", flush=True)
        return None if isinstance(found, str) else found

    def rate(self, frames: int, call: Callable[[int], Any]) -> dict[str, float]:
        """Frames per second of a call of a number of frames."""
        self.once(lambda: call(max(1, frames // 8)))
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
        seconds = []
        for _ in range(REPEATS):
            seconds.append(self.once(lambda: call(frames))[0])
            if time.perf_counter() + seconds[-1] > self.end:
                break
        middle = statistics.median(seconds)
        found = {"frames": frames, "frames_per_s": round(frames / middle), "s": round(middle, 4), "runs": len(seconds)}
        return {**found, "peak_GB": round(torch.cuda.max_memory_allocated() / 1e9, 2)} if self.cuda else found

    def _wait(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()


def measure(kept: dict[str, Any], device: str, frames: int, solver_frames: int, seconds: float) -> dict[str, Any]:
    """All parts on one device."""
    clock, case = Clock(device, seconds), Case(kept, device)
    if clock.cuda:
        free, total = torch.cuda.mem_get_info()
        clock.results["card"] = {"name": torch.cuda.get_device_name(), "GB": round(total / 1e9, 1)}
        solver_frames = min(solver_frames, int(0.5 * free / FRAME_BYTES))

    clock.part("equality_with_numpy", lambda: differences(kept, case))
    clock.part("motion_to_forces", lambda: clock.rate(frames, lambda count: case.forces(case.rows(count))))
    clock.part("motion_to_forces_downloaded", lambda: clock.rate(
        frames, lambda count: [one.cpu() for one in case.forces(case.rows(count))]
    ))  # fmt: skip
    clock.part("paths_and_dynamics", lambda: clock.rate(frames, lambda count: case.arrays(case.rows(count))))
    few = min(frames, case.device.together(WIDTH * len(case.chain.paths.pairs[0])))
    arrays = case.arrays(case.rows(few))

    def gains(count: int) -> Any:
        own = {name: array if name == "effect" else array[:count] for name, array in arrays.items()}
        return case.gains(own)

    clock.part("gains", lambda: clock.rate(few, gains))
    for exponent in (2.0, 3.0):
        whole = case.repeated(solver_frames)

        def solve(count: int, whole: RedundancyProblem = whole, exponent: float = exponent) -> Any:
            part = whole.frames(slice(0, count))
            return osimopt.solve_static(part, exponent=exponent, on_failure="return")

        def solved(solve: Callable[[int], Any] = solve, count: int = solver_frames) -> dict[str, float]:
            rate = clock.rate(count, solve)
            return {**rate, "solved": round(float(solve(count).solved.mean()), 6)}

        clock.part(f"solver_alone_p{exponent:g}", solved)
        del whole

    def samples(count: int) -> Any:
        own = case.repeated(20)
        spread = {"max_isometric_force": 0.1, "moment_arm": 0.05}
        return osimopt.propagate_uncertainty(own, spread, samples=max(2, count // 20))

    clock.part("uncertainty", lambda: clock.rate(min(frames, 20_000), samples))
    return clock.results


def differences(kept: dict[str, Any], case: Case) -> dict[str, float]:
    """The largest differences of the device from NumPy, relative to the largest value."""
    rows, found = case.rows(JUDGED), {}
    with_numpy = Case(kept, "cpu")
    ours, theirs = with_numpy.arrays(rows), case.arrays(rows)
    for name in ("length", "lengthening_speed", "moment_arms", "generalized_force"):
        found[name] = apart(ours[name], theirs[name])
    pairs = zip(("activation", "muscle_force"), with_numpy.forces(rows), case.forces(rows), strict=True)
    return {**found, **{name: apart(*both) for name, *both in pairs}}


def apart(ours: np.ndarray, theirs: Any) -> float:
    """The largest difference of two arrays over the largest value; infinite where only one of them is NaN."""
    other = theirs.cpu().numpy()
    if (np.isnan(ours) != np.isnan(other)).any():
        return float("inf")
    return float(f"{np.nanmax(np.abs(ours - other)) / max(np.nanmax(np.abs(ours)), 1e-300):.2e}")


def main() -> None:
    """Make a file, or measure one."""
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("bundle", type=Path)
    made.add_argument("--make", nargs="*", metavar="FILE", help="model, motion and loads; the arm without any")
    made.add_argument("--device", default="cuda")
    made.add_argument("--frames", type=int)
    made.add_argument("--solver-frames", type=int)
    made.add_argument("--seconds", type=float, default=240.0)
    given = made.parse_args()
    if given.make is not None:
        from osimopt.datasets import arm26

        model, motion, *loads = given.make or (arm26().model, arm26().motion)
        return make(given.bundle, model, motion, loads[0] if loads else None)
    kept = pickle.loads(given.bundle.read_bytes())  # a file that this script made
    results: dict[str, Any] = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    device, kind = given.device, "cuda" if given.device.startswith("cuda") else "cpu"
    if kind == "cuda" and not torch.cuda.is_available():
        results["cuda"] = "no CUDA device: not measured"
        print(results["cuda"], flush=True)
        device, kind = "torch", "cpu"
    frames, solver_frames = given.frames or FRAMES[kind], given.solver_frames or SOLVER_FRAMES[kind]
    results[device] = measure(kept, device, frames, solver_frames, given.seconds)
    print(json.dumps(results, indent=2))
    return None


if __name__ == "__main__":
    main()
