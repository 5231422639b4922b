"""Muscle forces from OpenSim models, with an error bound and checks for every frame.

The public names load on first use, so ``import osimopt`` costs next to nothing and has no side effect.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adapters.calibrated_model import write_calibrated_model as write_calibrated_model
    from .adapters.geometry_fit import fit_geometry as fit_geometry
    from .adapters.table import muscle_table as muscle_table
    from .analysis.compare_contact import compare_contact as compare_contact
    from .analysis.compartments import Compartments as Compartments
    from .analysis.compartments import compartment_forces as compartment_forces
    from .analysis.compartments import joints_between as joints_between
    from .analysis.contact_comparison import ContactComparison as ContactComparison
    from .analysis.cost_ranking import rank_costs as rank_costs
    from .analysis.find_synergies import FoundSynergies as FoundSynergies
    from .analysis.find_synergies import find_synergies as find_synergies
    from .analysis.find_synergies import synergy_fit as synergy_fit
    from .analysis.identify import identify_cost as identify_cost
    from .analysis.ranges import feasible_ranges as feasible_ranges
    from .analysis.sensitivity import sensitivity as sensitivity
    from .analysis.uncertainty import propagate_uncertainty as propagate_uncertainty
    from .batch.journal import read_manifest as read_manifest
    from .batch.runner import iterate_study as iterate_study
    from .batch.runner import run_study as run_study
    from .calibration.calibrate import calibrate as calibrate
    from .calibration.calibration import Calibration as Calibration
    from .calibration.parameters import Prior as Prior
    from .datasets.fetch import fetch as fetch
    from .dynamic.emg import EmgTracking as EmgTracking
    from .dynamic.metabolic import MetabolicCost as MetabolicCost
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
    from .files.storage import read_table as read_table
    from .muscle.conversion import use_degroote_muscles as use_degroote_muscles
    from .pipeline.opensim_tool import run_setup as run_setup
    from .pipeline.read import load_problem as load_problem
    from .pipeline.solve import solve_to_folder as solve_to_folder
    from .polynomial import PolynomialGeometry as PolynomialGeometry
    from .problem.archive import read_problem as read_problem
    from .problem.archive import write_problem as write_problem
    from .problem.contact import Contact as Contact
    from .problem.problem import RedundancyProblem as RedundancyProblem
    from .problem.reserves import ReserveActuators as ReserveActuators
    from .problem.synergies import Synergies as Synergies
    from .report.calibration_page import write_calibration as write_calibration
    from .report.report import write_report as write_report
    from .solution.metabolic import metabolic_rate as metabolic_rate
    from .solution.reader import Result as Result
    from .solution.solution import RedundancySolution as RedundancySolution
    from .solution.status import Status as Status
    from .static.solve import solve_static as solve_static
    from .surrogate.surrogate import Surrogate as Surrogate
    from .training.dynamic_surrogate import train_dynamic_surrogate as train_dynamic_surrogate
    from .training.geometry_network import fit_geometry_network as fit_geometry_network
    from .training.static_surrogate import train_static_surrogate as train_static_surrogate

__version__ = "0.2.0"

_HOMES = {
    "load_problem": "pipeline.read",
    "fit_geometry": "adapters.geometry_fit",
    "PolynomialGeometry": "polynomial",
    "muscle_table": "adapters.table",
    "compare_contact": "analysis.compare_contact",
    "ContactComparison": "analysis.contact_comparison",
    "feasible_ranges": "analysis.ranges",
    "Compartments": "analysis.compartments",
    "compartment_forces": "analysis.compartments",
    "joints_between": "analysis.compartments",
    "find_synergies": "analysis.find_synergies",
    "synergy_fit": "analysis.find_synergies",
    "FoundSynergies": "analysis.find_synergies",
    "sensitivity": "analysis.sensitivity",
    "propagate_uncertainty": "analysis.uncertainty",
    "read_problem": "problem.archive",
    "write_problem": "problem.archive",
    "solve_to_folder": "pipeline.solve",
    "run_setup": "pipeline.opensim_tool",
    "solve_static": "static.solve",
    "solve_dynamic": "dynamic.solve",
    "Surrogate": "surrogate.surrogate",
    "fit_geometry_network": "training.geometry_network",
    "train_static_surrogate": "training.static_surrogate",
    "train_dynamic_surrogate": "training.dynamic_surrogate",
    "DynamicSolution": "dynamic.solution",
    "SealedSolution": "dynamic.solution",
    "EmgTracking": "dynamic.emg",
    "MetabolicCost": "dynamic.metabolic",
    "use_degroote_muscles": "muscle.conversion",
    "Contact": "problem.contact",
    "RedundancyProblem": "problem.problem",
    "Synergies": "problem.synergies",
    "RedundancySolution": "solution.solution",
    "ReserveActuators": "problem.reserves",
    "Status": "solution.status",
    **dict.fromkeys(
        ("OsimoptError", "InputError", "ModelError", "SolverError", "MissingDependencyError", "ConfigError"),
        "errors",
    ),
    "read_table": "files.storage",
    "Emg": "emg.recording",
    "EmgOptions": "emg.processing",
    "EmgMapping": "emg.mapping",
    "EmgComparison": "emg.comparison",
    "read_emg": "emg.read",
    "process_emg": "emg.processing",
    "find_strides": "emg.strides",
    "compare_emg": "emg.compare",
    "rank_costs": "analysis.cost_ranking",
    "identify_cost": "analysis.identify",
    "calibrate": "calibration.calibrate",
    "write_calibrated_model": "adapters.calibrated_model",
    "write_calibration": "report.calibration_page",
    "Calibration": "calibration.calibration",
    "Prior": "calibration.parameters",
    "Result": "solution.reader",
    "metabolic_rate": "solution.metabolic",
    "write_report": "report.report",
    "fetch": "datasets.fetch",
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
