"""A model's mechanics and paths in plain arrays."""

from __future__ import annotations

import numpy as np

from ...multibody.description import Asked, Multibody
from ...paths.description import Paths
from ...problem.arrays import Array
from ..messages import Described, ModelKey
from .bodies import describe_tree
from .constraint_laws import describe_constraints, describe_couplers, describe_prescribed
from .describe import default_value, describe
from .force_laws import describe_forces
from .functions import Rows
from .parts import Session
from .path_description import Describer, describe_paths
from .session import load


def describe_whole(key: ModelKey) -> Described:
    """Describe a model."""
    return Described(describe(key), *describe_mechanics(key))


def describe_mechanics(key: ModelKey) -> tuple[Multibody, Paths]:
    """Describe the tree, constraints, forces and paths of a model; ``asked`` names what is left to OpenSim, and why."""
    session = load(key)
    rows, asked = Rows(), list[Asked]()
    tree = describe_tree(session, rows, asked)
    describer = Describer(session, tree.bodies, rows)
    forces, actuators = describe_forces(session, describer, asked)
    paths = describe_paths(describer, {})
    prescribed = describe_prescribed(session, rows, asked)
    couplers = describe_couplers(session, rows, asked)
    constraints = describe_constraints(session, tree.bodies, asked)
    multibody = Multibody(
        coordinates=tuple(coordinate.getName() for coordinate in session.coordinates),
        values=_values(session),
        tree=tree,
        functions=rows.arrays(),
        prescribed=prescribed,
        couplers=couplers,
        constraints=constraints,
        forces=forces,
        actuators=actuators,
        gravity=session.model.getGravity().to_numpy(),
        asked=tuple(asked),
    )
    return multibody, paths


def _values(session: Session) -> Array:
    """The model's default posture (N,), loops closed."""
    if session.loops is not None:
        return session.loops.posture
    return np.array([default_value(session, index) for index in range(len(session.coordinates))])
