"""Muscle forces from OpenSim models, with an error bound and checks for every frame.

The public names load on first use, so ``import osimopt`` costs next to nothing and has no side effect.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adapters.geometry_fit import fit_geometry as fit_geometry
    from .adapters.table import muscle_table as muscle_table
    from .analysis.compartments import Compartments as Compartments
    from .analysis.compartments import compartment_forces as compartment_forces
    from .analysis.compartments import joints_between as joints_between
