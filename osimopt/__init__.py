"""Muscle forces from OpenSim models that you can defend.

The public names load on first use, so ``import osimopt`` costs next to nothing and has no side effect.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adapters.geometry_fit import fit_geometry as fit_geometry
    from .adapters.load import load_problem as load_problem
    from .adapters.table import muscle_table as muscle_table
    from .archive import read_problem as read_problem
    from .archive import write_problem as write_problem
    from .batch.journal import read_manifest as read_manifest
    from .batch.runner import iterate_study as iterate_study
    from .batch.runner import run_study as run_study
    from .dynamic.emg import EmgTracking as EmgTracking
    from .dynamic.solution import DynamicSolution as DynamicSolution
    from .dynamic.solution import SealedSolution as SealedSolution
    from .dynamic.solve import solve_dynamic as solve_dynamic
    from .emg.compare import compare_emg as compare_emg
    from .emg.comparison import EmgComparison as EmgComparison
    from .emg.mapping import EmgMapping as EmgMapping
    from .emg.processing import EmgOptions as EmgOptions
    from .emg.processing import process_emg as process_emg
    from .emg.read import read_emg as read_emg
    from .emg.recording import Emg as Emg
    from .emg.strides import find_strides as find_strides
    from .errors import ConfigError as ConfigError
    from .errors import InputError as InputError
    from .errors import MissingDependencyError as MissingDependencyError
    from .errors import ModelError as ModelError
    from .errors import OsimoptError as OsimoptError
    from .errors import SolverError as SolverError
    from .muscle.conversion import use_degroote_muscles as use_degroote_muscles
    from .polynomial import PolynomialGeometry as PolynomialGeometry
    from .problem import RedundancyProblem as RedundancyProblem
    from .report.report import write_report as write_report
    from .reserves import ReserveActuators as ReserveActuators
    from .result import Result as Result
    from .solution import RedundancySolution as RedundancySolution
    from .solution import Status as Status
    from .static.ranges import feasible_ranges as feasible_ranges
    from .static.sensitivity import sensitivity as sensitivity
    from .static.solve import solve_static as solve_static
    from .static.uncertainty import propagate_uncertainty as propagate_uncertainty
    from .studies.cost_ranking import rank_costs as rank_costs
    from .studies.dynamic_surrogate import train_dynamic_surrogate as train_dynamic_surrogate
    from .studies.geometry_network import fit_geometry_network as fit_geometry_network
    from .studies.identify import identify_cost as identify_cost
    from .studies.long_motion import solve_to_folder as solve_to_folder
    from .studies.opensim_tool import run_setup as run_setup
    from .studies.public_data import fetch as fetch
    from .studies.static_surrogate import train_static_surrogate as train_static_surrogate
    from .surrogate.surrogate import Surrogate as Surrogate
    from .tables import read_table as read_table

__version__ = "0.1.0"

_HOMES = {
    "load_problem": "adapters.load",
    "fit_geometry": "adapters.geometry_fit",
    "PolynomialGeometry": "polynomial",
    "muscle_table": "adapters.table",
    "feasible_ranges": "static.ranges",
    "sensitivity": "static.sensitivity",
    "propagate_uncertainty": "static.uncertainty",
    "read_problem": "archive",
    "write_problem": "archive",
    "solve_to_folder": "studies.long_motion",
    "run_setup": "studies.opensim_tool",
    "solve_static": "static.solve",
    "solve_dynamic": "dynamic.solve",
    "Surrogate": "surrogate.surrogate",
    "fit_geometry_network": "studies.geometry_network",
    "train_static_surrogate": "studies.static_surrogate",
    "train_dynamic_surrogate": "studies.dynamic_surrogate",
    "DynamicSolution": "dynamic.solution",
    "SealedSolution": "dynamic.solution",
    "EmgTracking": "dynamic.emg",
    "use_degroote_muscles": "muscle.conversion",
    "RedundancyProblem": "problem",
    "RedundancySolution": "solution",
    "ReserveActuators": "reserves",
    "Status": "solution",
    **dict.fromkeys(
        ("OsimoptError", "InputError", "ModelError", "SolverError", "MissingDependencyError", "ConfigError"),
        "errors",
    ),
    "read_table": "tables",
    "Emg": "emg.recording",
    "EmgOptions": "emg.processing",
    "EmgMapping": "emg.mapping",
    "EmgComparison": "emg.comparison",
    "read_emg": "emg.read",
    "process_emg": "emg.processing",
    "find_strides": "emg.strides",
    "compare_emg": "emg.compare",
    "rank_costs": "studies.cost_ranking",
    "identify_cost": "studies.identify",
    "Result": "result",
    "write_report": "report.report",
    "fetch": "studies.public_data",
    "run_study": "batch.runner",
    "iterate_study": "batch.runner",
    "read_manifest": "batch.journal",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(sorted(_HOMES))}")


def __dir__() -> list[str]:
    return sorted([*_HOMES, "__version__"])
