"""A result as arrays: of a solution in memory, or read back from its folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, explain
from ..files.storage import read_table
from ..problem.arrays import Array
from .contents import summary_of
from .folder import read_summary
from .quantities import outputs_of, quantity_of
from .reactions import joint_forces, written_reactions
from .solution import RedundancySolution
from .summary import carried

if TYPE_CHECKING:
    import pandas as pd

    from ..problem.arrays import MuscleGeometry

#: The quantity and its file.
RATE = "metabolic_rate"


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """A solution as arrays, in memory or from its folder: T frames, M muscles, D coordinates.

    Attributes
    ----------
    name
        Of the folder, or the method.
    time
        (T,) s.
    activation, muscle_force
        (T, M), 1 and N; NaN in frames without an answer.
    excitation
        (T, M), None of methods without.
    generalized_force
        (T, D) N·m, or N: what muscles and reserves had to produce.
    carried
        (T, D) what reserves produced of it, on coordinates that muscles serve, and on those that a part of the body
        leaves out.
    solved
        (T,).
    summary
        What ``solution.json`` holds: counts, peaks, findings, versions, hashes of inputs, options.
    geometry
        Moment arms, where the solution is in memory.
    joint_reactions
        What joints transmit, as :meth:`osimopt.RedundancySolution.joint_reactions` gives it, where the problem carried
        it; else None.
    metabolic_rate
        (T, M) W by Umberger's probe with its defaults; None without muscle parameters, or of a folder that was written
        without ``outputs="metabolic_rate"``.

    Examples
    --------
    >>> import osimopt
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 12.0)
    >>> folder = osimopt.solve_static(problem).write("elbow")
    >>> osimopt.Result.read(folder)
    <Result elbow: 1 of 1 frames solved, Σ a²>
    >>> osimopt.Result.read(folder).summary["status"]
    {'solved': 1}
    """

    name: str
    time: Array
    muscles: tuple[str, ...]
    coordinates: tuple[str, ...]
    activation: Array
    muscle_force: Array
    excitation: Array | None
    generalized_force: Array
    carried: Array
    solved: NDArray[np.bool_]
    summary: Mapping[str, Any]
    geometry: MuscleGeometry | None = None
    joint_reactions: pd.DataFrame | None = None
    metabolic_rate: Array | None = None

    @classmethod
    def of(cls, solution: RedundancySolution | Result, name: str | None = None) -> Result:
        """From a solution in memory; a sealed one raises an error."""
        if isinstance(solution, Result):
            return solution
        problem, summary = solution.problem, summary_of(solution)
        reactions = written_reactions(solution)
        done = carried(problem, solution.reserve_control)
        held = np.isin(problem.coordinates, summary.get("part", {}).get("coordinates", []))
        return cls(
            name or str(summary.get("method", "solution")), solution.time, problem.muscles, problem.coordinates,
            solution.activation, solution.muscle_force, getattr(solution, "excitation", None),
            problem.generalized_force, np.where(problem.geometry.served | held, done, 0.0), solution.solved, summary,
            problem.geometry, None if reactions is None else reactions.to_dataframe(),
            quantity_of(solution.to("cpu"), RATE) if outputs_of(solution, "all").count(RATE) else None,
        )  # fmt: skip

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Result:
        """From a result folder.

        Raises
        ------
        InputError
            No such folder, files of it missing, or one of an osimopt that did not write joint moments yet.
        """
        import pandas as pd

        folder = Path(folder)
        summary = read_summary(folder)
        fix = "Solve the motion again, or choose another folder."
        if lacking := [name for name in NEEDED if not (folder / name).is_file()]:
            raise InputError(explain(f"a result folder with {', '.join(NEEDED)}", f"no {lacking[0]}", fix, folder))
        activation, force, moment, reserve = (read_table(folder / name) for name in NEEDED[:4])
        excitation, reactions = folder / "excitation.sto", folder / "joint_reactions.sto"
        rate = folder / f"{RATE}.sto"
        solved = (pd.read_csv(folder / "status.csv")["status"] == "solved").to_numpy(dtype=bool)
        if not len(activation) == len(force) == len(moment) == len(solved):
            got = f"{len(activation)}, {len(force)}, {len(moment)} and {len(solved)}"
            raise InputError(explain("as many frames in every file", got, fix, folder))
        return cls(
            folder.resolve().name, activation.index.to_numpy(dtype=float), tuple(map(str, activation.columns)),
            tuple(map(str, moment.columns)), activation.to_numpy(dtype=float), force.to_numpy(dtype=float),
            read_table(excitation).to_numpy(dtype=float) if excitation.is_file() else None,
            moment.to_numpy(dtype=float), _carried(reserve, moment, summary), solved, summary,
            joint_reactions=_reactions(reactions, summary) if "joint_reactions" in summary else None,
            metabolic_rate=read_table(rate).to_numpy(dtype=float) if rate.is_file() else None,
        )  # fmt: skip

    def __repr__(self) -> str:
        """Return one line."""
        return f"<Result {self.name}: {int(self.solved.sum())} of {len(self.time)} frames solved, {self.formula}>"

    @property
    def formula(self) -> str:
        """The cost, in signs."""
        return str(self.summary.get("cost", {}).get("formula", "no cost named"))

    @property
    def joint_forces(self) -> dict[str, Array]:
        """By joint, the size (T,) in N of the force through it; empty where there are no joint reactions."""
        table, joints = self.joint_reactions, self.summary.get("joint_reactions", {}).get("joints", ())
        return {} if table is None else joint_forces(table, joints)

    @property
    def body_weight(self) -> float:
        """N, where joint reactions are known; else NaN."""
        return float(self.summary.get("joint_reactions", {}).get("body_weight_N", np.nan))

    @property
    def pcsa(self) -> Array:
        """(M,) cm²; 1 where the folder does not hold it."""
        known = self.summary.get("pcsa_cm2", {})
        return np.array([float(known.get(name, 1.0)) for name in self.muscles])

    @property
    def served(self) -> NDArray[np.bool_]:
        """(D,) coordinates that muscles serve."""
        unserved = self.summary.get("unserved_peak", self.summary.get("residual_peak", {}))  # the latter of old folders
        return np.array([name not in unserved for name in self.coordinates])

    def unit(self, coordinate: str) -> str:
        """Unit of a coordinate's generalized force, where the model has it."""
        return str(self.summary.get("units", {}).get(coordinate, "N·m (N)"))


#: Files that a report and a comparison need; of the first four, arrays.
NEEDED = ("activation.sto", "muscle_force.sto", "generalized_force.sto", "reserve_force.sto", "status.csv")


def _reactions(path: Path, summary: Mapping[str, Any]) -> pd.DataFrame:
    """The table of reactions as a solution in memory has it."""
    table = read_table(path)
    table.attrs = {"body_weight_N": summary["joint_reactions"]["body_weight_N"]}
    return table


def _carried(reserve: Any, moment: Any, summary: Mapping[str, Any]) -> Array:
    """(T, D) of scalar actuators: each carries its force on the coordinate that it acts on most."""
    done = np.zeros(moment.shape)
    for name, share in summary.get("reserve_share", {}).items():
        if name in reserve and share["coordinate"] in moment:
            done[:, moment.columns.get_loc(share["coordinate"])] += reserve[name].to_numpy(dtype=float)
    for coordinate in summary.get("part", {}).get("coordinates", ()):
        if coordinate in moment and (name := f"residual_{coordinate}") in reserve:
            done[:, moment.columns.get_loc(coordinate)] = reserve[name].to_numpy(dtype=float)
    return done
