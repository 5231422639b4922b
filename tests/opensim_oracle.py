"""What OpenSim itself says along a motion.

Usage: `python opensim_oracle.py MODEL MOTION OUT.npz [--loads XML] [--frames N] [--no-optimization]`.
"""

import argparse
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import opensim as osim
from numpy.typing import NDArray

osim.Logger.setLevelString("warn")  # StaticOptimization tells of its failures in warnings only
osim.Logger.removeFileSink()  # or the first message would leave an opensim.log behind

Array = NDArray[Any]
Results = dict[str, Array]

CONVERGENCE = 1e-6
MAX_ITERATIONS = 200


class Oracle:
    """OpenSim's tools on one motion; they work in `folder` and log there."""

    def __init__(self, model: Path, motion: Path, loads: Path | None, folder: Path) -> None:
        self.model, self.motion, self.loads, self.folder = model, motion, loads, folder
        self.log = folder / "log"
        osim.Logger.addFileSink(str(self.log))
        times = read_table(motion)[1][:, 0]
        self.start, self.end = times[0], times[-1]

    def read(self, name: str) -> tuple[list[str], Array]:
        """Columns and rows that a tool wrote, if it ran well."""
        if not (self.folder / name).exists():
            raise RuntimeError(f"OpenSim wrote no {name}: {self.log.read_text()}")
        return read_table(self.folder / name)

    def inverse_dynamics(self) -> Results:
        """Generalized forces; muscles are left out, springs stay in."""
        tool = osim.InverseDynamicsTool()
        tool.setModelFileName(str(self.model))
        tool.setCoordinatesFileName(str(self.motion))
        if self.loads:
            tool.setExternalLoadsFileName(str(self.loads))
        tool.setLowpassCutoffFrequency(-1.0)
        excluded = osim.ArrayStr()
        excluded.append("Muscles")
        tool.setExcludedForces(excluded)
        tool.setStartTime(self.start)
        tool.setEndTime(self.end)
        tool.setResultsDir(str(self.folder))
        tool.setOutputGenForceFileName("id.sto")
        tool.run()
        columns, rows = self.read("id.sto")
        bare = [column.removesuffix("_moment").removesuffix("_force") for column in columns]
        return {"id_times": rows[:, 0], "id_coordinates": np.array(bare[1:]), "id_forces": rows[:, 1:]}

    def analyze(self, *analyses: osim.Analysis) -> None:
        """Run AnalyzeTool at every frame of the motion."""
        tool = osim.AnalyzeTool()
        tool.setName("so")
        tool.setModelFilename(str(self.model))
        tool.setCoordinatesFileName(str(self.motion))
        if self.loads:
            tool.setExternalLoadsFileName(str(self.loads))
        tool.setLowpassCutoffFrequency(-1.0)
        tool.setInitialTime(self.start)
        tool.setFinalTime(self.end)
        tool.setOutputPrecision(16)
        tool.setResultsDir(str(self.folder))
        for analysis in analyses:
            analysis.setStartTime(self.start)
            analysis.setEndTime(self.end)
            tool.updAnalysisSet().cloneAndAppend(analysis)
        setup = str(self.folder / "setup.xml")
        tool.printToXML(setup)
        osim.AnalyzeTool(setup).run()

    def states(self) -> tuple[list[str], Array]:
        """The states that StaticOptimization meets, as AnalyzeTool sets them."""
        self.analyze(osim.StatesReporter())
        return self.read("so_StatesReporter_states.sto")

    def static_optimization(self) -> Results:
        """Activations and forces of every actuator, and the times without a solution."""
        analysis = osim.StaticOptimization()
        analysis.setUseModelForceSet(True)
        analysis.setUseMusclePhysiology(True)
        analysis.setActivationExponent(2.0)
        analysis.setConvergenceCriterion(CONVERGENCE)
        analysis.setMaxIterations(MAX_ITERATIONS)
        self.analyze(analysis)
        columns, activations = self.read("so_StaticOptimization_activation.sto")
        all_columns, forces = self.read("so_StaticOptimization_force.sto")
        failures = re.findall(r"could not find a solution at time = ([\d.e+-]*\d)", self.log.read_text())
        return {
            "so_times": activations[:, 0],
            "so_actuators": np.array(columns[1:]),
            "so_activations": activations[:, 1:],
            "so_force_columns": np.array(all_columns[1:]),
            "so_forces": forces[:, 1:],
            "so_failures": np.array(failures, dtype=float),
        }

    def muscle_geometry(self, frames: int) -> Results:
        """Moment arms, lengths and rigid-tendon forces at full activation, at evenly spaced frames."""
        columns, rows = self.states()
        model = osim.Model(str(self.model))
        state = model.initSystem()
        every, muscles = items(model.getCoordinateSet()), items(model.getMuscles())
        values = [columns.index(f"{coordinate.getAbsolutePathString()}/value") for coordinate in every]
        speeds = [columns.index(f"{coordinate.getAbsolutePathString()}/speed") for coordinate in every]
        free = [coordinate for coordinate in every if not coordinate.isConstrained(state)]
        chosen = np.unique(np.linspace(0, len(rows) - 1, frames).round().astype(int))
        lengths, arms, forces = [], [], []
        for row in rows[chosen]:
            state.setTime(row[0])
            for coordinate, value, speed in zip(every, row[values], row[speeds], strict=True):
                if not coordinate.getLocked(state):
                    coordinate.setValue(state, value, False)
                    coordinate.setSpeedValue(state, speed)
            model.realizeVelocity(state)
            lengths.append([muscle.getLength(state) for muscle in muscles])
            arms.append([[muscle.computeMomentArm(state, along) for along in free] for muscle in muscles])
            model.realizeVelocity(state)
            forces.append([muscle.calcInextensibleTendonActiveFiberForce(state, 1.0) for muscle in muscles])
        return {
            "frames": chosen,
            "coordinates": names(every),
            "free_coordinates": names(free),
            "muscles": names(muscles),
            "q": rows[chosen][:, values],
            "u": rows[chosen][:, speeds],
            "length": np.array(lengths),
            "moment_arm": np.array(arms),
            "active_force": np.array(forces),
        }


def items(group: Any) -> list[Any]:
    return [group.get(i) for i in range(group.getSize())]


def names(objects: list[Any]) -> Array:
    return np.array([item.getName() for item in objects], dtype=str)


def read_table(path: Path) -> tuple[list[str], Array]:
    """Column names and rows of an OpenSim text table."""
    with path.open() as lines:
        for line in lines:
            if line.strip() == "endheader":
                break
        return next(lines).split(), np.loadtxt(lines, ndmin=2)


def absolute(path: str) -> Path:
    return Path(path).resolve()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=absolute)
    parser.add_argument("motion", type=absolute)
    parser.add_argument("out", type=absolute)
    parser.add_argument("--loads", type=absolute)
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--no-optimization", action="store_true")
    given = parser.parse_args()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # OpenSim talks there whatever its log level
    with tempfile.TemporaryDirectory() as folder:
        oracle = Oracle(given.model, given.motion, given.loads, Path(folder))
        results = oracle.muscle_geometry(given.frames) | oracle.inverse_dynamics()
        if not given.no_optimization:
            results |= oracle.static_optimization()
        osim.Logger.removeFileSink()
    np.savez(given.out, **results)


if __name__ == "__main__":
    main()
