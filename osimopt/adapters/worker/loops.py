"""Loops of bodies: which constraints close them, and which coordinates they determine."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import opensim

from ...errors import ModelError, explain, some
from ...multibody.loops import RANK
from ...problem.arrays import Array
from .constraints import described, errors, follow
from .parts import Loops, Session

#: Postures in which the dependent coordinates are chosen, and their spread (rad or m).
TRIED, SPREAD = 8, 0.2
#: Share of the best coordinate's independence from those already chosen that another needs to be chosen before it.
NEARLY = 0.3
#: Constraints of speeds, which OpenSim enforces in some states only.
ROLLING = ("RollingOnSurfaceConstraint",)
#: Name of the constraint by which OpenSim joins the halves of a body where joints close a loop.
_SLAVE = re.compile(r".*_slave_\d+_weld")


def find_loops(session: Session) -> Loops | None:
    """The loops of a model that is loaded, None where there are none.

    Raises
    ------
    ModelError
        A constraint of speeds (RollingOnSurface), joints that close a loop, or loops that cannot be closed near the
        model's default posture.
    """
    components = [opensim.Constraint.safeDownCast(part) for part in session.model.getComponentsList()]
    present = [part for part in components if part is not None]
    enforced = [part for part in present if part.isEnforced(session.state)]
    coupling = [opensim.CoordinateCouplerConstraint.safeDownCast(part) is not None for part in enforced]
    others = tuple(part for part, couples in zip(enforced, coupling, strict=True) if not couples)
    state = opensim.State(session.state)
    for part, couples in zip(enforced, coupling, strict=True):
        part.setIsEnforced(state, not couples)
    for coordinate in session.coordinates:
        coordinate.setLocked(state, False)
        coordinate.setIsPrescribed(state, False)
    session.model.realizePosition(state)
    rolling = [part for part in present if part.getConcreteClassName() in ROLLING and part.get_isEnforced()]
    if rolling or state.getNUErr() != state.getNQErr():
        got = some(described(part) for part in rolling or others)
        fix = "Set its isEnforced to false, or model the contact by forces: such a constraint has no positions."
        raise ModelError(explain("constraints of positions", got, fix, session.key.path))
    _refuse_joints(session, others)
    if not state.getNQErr():
        return None
    start = np.array([coordinate.getValue(session.state) for coordinate in session.coordinates])
    moving = session.free()
    loops = Loops(others, state, start, dict.fromkeys(moving, ()))  # to close them, all coordinates may move
    posture = follow(replace(session, loops=loops), start)
    loops = replace(loops, posture=posture)
    return replace(loops, driving=_choose(replace(session, loops=loops), moving))


def _refuse_joints(session: Session, constraints: tuple[Any, ...]) -> None:
    """Refuse loops of joints: OpenSim 4.6 cuts one body in two halves, of which the second has a wrong inertia.

    About its mass centre it has the inertia of the whole body about the body's origin (docs/opensim_faults.md).
    """
    if not any(_SLAVE.fullmatch(part.getName()) for part in constraints):
        return
    children: dict[str, list[str]] = {}
    for joint in session.model.getJointList():
        children.setdefault(joint.getChildFrame().findBaseFrame().getName(), []).append(joint.getName())
    several = [name for shared in children.values() if len(shared) > 1 for name in shared]
    fix = "Replace one of them by a PointConstraint or a WeldConstraint: OpenSim gives half of a body a wrong inertia."
    expected = "joints that form a tree"
    raise ModelError(explain(expected, f"a loop of joints ({some(several)})", fix, session.key.path))


def _choose(session: Session, moving: list[int]) -> dict[int, tuple[int, ...]]:
    """The coordinates that loops determine, each with the free ones in its loop.

    As many as G has rank, one after the other: of those that are most independent of the ones before, in several
    postures, the last in the multibody tree.
    """
    gradients = np.array([gradient[:, moving] for gradient in _gradients(session, moving)])
    scale = np.linalg.norm(gradients, axis=1).max(axis=0)
    left = gradients / np.where(scale > RANK, scale, 1.0)
    ranks = np.linalg.matrix_rank(left, RANK)
    left, chosen = left[ranks == ranks.max()], list[int]()
    for _ in range(ranks.max()):
        size = np.linalg.norm(left, axis=1).min(axis=0)
        size[chosen] = 0.0
        column = int(np.flatnonzero(size >= NEARLY * size.max())[-1])
        pivot = left[:, :, column] / np.maximum(np.linalg.norm(left[:, :, column], axis=1), RANK)[:, None]
        left = left - pivot[:, :, None] * np.einsum("pr,prc->pc", pivot, left)[:, None, :]
        chosen.append(column)
    linked = np.abs(gradients).max(axis=0) > RANK
    together = linked.T.astype(int) @ linked
    for _ in moving:
        together = np.minimum(together @ together, 1)
    driving = {}
    for column in sorted(chosen):
        others = [other for other in np.flatnonzero(together[column]).tolist() if other not in chosen]
        driving[moving[column]] = tuple(moving[other] for other in others)
    return driving


def _gradients(session: Session, moving: list[int]) -> Iterator[Array]:
    """Jacobians (R, N) of the loops in the model's default posture and others near it."""
    random = np.random.default_rng(0)
    yield errors(session, session.closed.posture)[1]
    for _ in range(TRIED):
        value = session.closed.posture.copy()
        value[moving] += random.uniform(-SPREAD, SPREAD, len(moving))
        with contextlib.suppress(ModelError):
            yield errors(session, follow(session, value))[1]
