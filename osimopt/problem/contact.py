"""Contact: a joint's contact force as a term of the cost and as a constraint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..devices import Device, device_of
from ..errors import InputError, check_names, explain, shown
from ..options import check_word, is_number
from .arrays import Array
from .reactions import SIDES, Frame, JointReactions, On, reactions_of

if TYPE_CHECKING:
    from .problem import RedundancyProblem

AXES = "xyz"
FORMULA = "w ‖c / body weight‖²"
SOURCE = (
    "Dembia et al. (2020), doi:10.1371/journal.pcbi.1008493 (MocoJointReactionGoal: joint loads as a cost); "
    "Belli et al. (2023), doi:10.1371/journal.pone.0295003 (joint reactions linear in activations, and their limits)"
)


@dataclass(frozen=True, eq=False)
class Contact:
    """The contact force c of a joint in the cost, as w ‖c / body weight‖², and its limits.

    c is the force that the joint transmits, affine in the forces of muscles and reserves [1]_.

    Parameters
    ----------
    joint : str
        The joint.
    weight : float, default 0.0
        w [2]_: at w = 1 a force of one body weight costs as much as an average muscle at full activation, as a reserve
        does at control 1. The exponent is 2, whatever that of the muscles.
    axes : str, default "xyz"
        Components that cost: all for ‖c‖², ``"y"`` for the one along the y axis (axial in a tibia).
    lower, upper : mapping, optional
        Limits in N of components, as ``{"y": -2000.0}``.
    cone : sequence of (3,), optional
        Normals n of a polyhedral cone in which the force stays, n · c ≥ 0: as the cavity of a shoulder [1]_.
    on : "child" | "parent", default "child"
        Body on which the force acts.
    frame : "ground" | "parent" | "child", default "child"
        Its axes.

    Raises
    ------
    InputError
        Negative weights, axes other than x, y and z, lower limits above upper ones, normals that are not three numbers.

    References
    ----------
    .. [1] Belli et al. (2023), Does enforcing glenohumeral joint stability matter?,
       doi:10.1371/journal.pone.0295003
    .. [2] Dembia et al. (2020), OpenSim Moco: Musculoskeletal optimal control (MocoJointReactionGoal),
       doi:10.1371/journal.pcbi.1008493

    Examples
    --------
    An elbow whose muscles press it together. The second has twice the moment arm, and so presses half as much for the
    same moment:

    >>> import dataclasses, osimopt
    >>> from osimopt.problem.reactions import JointReactions
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.02, 0.04], [900.0, 300.0], 12.0)
    >>> pressing = JointReactions.from_arrays("elbow", [0, 0, 0], [[0, 0], [-1, -1], [0, 0]], problem.muscles, 700.0)
    >>> problem = dataclasses.replace(problem, reactions=pressing)
    >>> for contact in (None, {"elbow": 1.0}, osimopt.Contact("elbow", lower={"y": -330.0})):
    ...     print(osimopt.solve_static(problem, contact=contact).muscle_force.round(1))
    [[415.4  92.3]]
    [[300.8 149.6]]
    [[ 60. 270.]]
    """

    joint: str
    weight: float = 0.0
    axes: str = AXES
    lower: Mapping[str, float] | None = None
    upper: Mapping[str, float] | None = None
    cone: Sequence[Sequence[float]] = ()
    on: On = "child"
    frame: Frame = "child"

    def __post_init__(self) -> None:
        if not (isinstance(self.joint, str) and self.joint):
            raise InputError(explain("the name of a joint for Contact", shown(self.joint), "Give its name."))
        if set("*?,") & set(self.joint):
            fix = "Give one Contact, or one weight, for each joint."
            raise InputError(explain("the name of one joint for Contact", shown(self.joint), fix))
        where = f"Contact of {self.joint}"
        if not (is_number(self.weight) and isfinite(self.weight) and self.weight >= 0.0):
            fix = "0 is no cost; 0.1 is a moderate one."
            raise InputError(explain("a finite weight ≥ 0", shown(self.weight), fix, where))
        axes = self.axes if isinstance(self.axes, str) else ""
        if not axes or len(set(axes)) < len(axes) or not set(axes) <= set(AXES):
            raise InputError(explain("axes as 'xyz', 'y' or the like", shown(self.axes), "'xyz' is all.", where))
        check_word("on", self.on, SIDES)
        check_word("frame", self.frame, ("ground", *SIDES))
        lower, upper = (_limits(name, getattr(self, name), where) for name in ("lower", "upper"))
        if crossed := [axis for axis in lower if not lower[axis] <= upper.get(axis, np.inf)]:
            got = ", ".join(f"{lower[axis]:g} above {upper[axis]:g} N for {axis}" for axis in crossed)
            raise InputError(explain("lower limits of at most the upper ones", got, "Swap them.", where))
        try:
            cone = np.asarray(self.cone, dtype=float)
        except (TypeError, ValueError):
            cone = np.full((1, 1), np.nan)
        cone = cone.reshape(0, 3) if cone.size == 0 else cone
        if cone.ndim != 2 or cone.shape[1] != 3 or not np.isfinite(cone).all() or not cone.any(axis=1).all():
            fix = "Give normals that point into the cone, as [(0.5, -1, 0), (-0.5, -1, 0)]."
            raise InputError(explain("a cone as normals of three numbers, not all 0", shown(self.cone), fix, where))
        for name, value in (("lower", lower), ("upper", upper), ("cone", tuple(map(tuple, cone.tolist())))):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "weight", float(self.weight))

    def rows(self) -> list[ContactRow]:
        """The rows that the problem needs."""
        found = []
        for number, axis in enumerate(AXES):
            low, high = (self.lower or {}).get(axis, -np.inf), (self.upper or {}).get(axis, np.inf)
            weight = self.weight if axis in self.axes else 0.0
            if weight or isfinite(low) or isfinite(high):
                found.append(ContactRow(f"{self.joint}_f{axis}", np.eye(3)[number], weight, low, high))
        for number, normal in enumerate(np.asarray(self.cone, dtype=float).reshape(-1, 3)):
            unit = normal / np.linalg.norm(normal)
            found.append(ContactRow(f"{self.joint}_cone{number}", unit, 0.0, 0.0, np.inf))
        return found


class ContactRow(NamedTuple):
    """A component of a contact force: its unit direction (3,), its weight in the cost, and its limits in N."""

    name: str
    direction: Array
    weight: float
    lower: float
    upper: float


def _limits(name: str, given: Any, where: str) -> dict[str, float]:
    """Limits by axis, checked."""
    limits = {} if given is None else given
    if not isinstance(limits, Mapping) or not all(is_number(limit) and not isnan(limit) for limit in limits.values()):
        fix = f"Give them by axis, as {name}={{'y': -2000.0}}."
        raise InputError(explain(f"{name} limits in N", shown(given), fix, where))
    check_names(f"axes of {name} limits", map(str, limits), AXES, where)
    return {str(axis): float(limit) for axis, limit in limits.items()}


def read_contacts(given: Any) -> tuple[Contact, ...]:
    """Contacts from one, a sequence of them, weights by joint, or text such as ``walker_knee_l=0.1,ankle_l=0.1``.

    Raises
    ------
    InputError
        Something else, or a contact without weight, limits and cone.
    """
    if isinstance(given, str):
        pairs = [[side.strip() for side in part.split("=")] for part in given.split(",")]
        names = [pair[0] for pair in pairs]
        if any(len(pair) != 2 or not all(pair) for pair in pairs) or len(set(names)) < len(names):
            fix = "Write for example walker_knee_l=0.1,walker_knee_r=0.1."
            raise InputError(explain("contact forces in the cost as joint=weight, each joint once", shown(given), fix))
        given = {joint: _number(weight) for joint, weight in pairs}
    if isinstance(given, Mapping):
        given = [Contact(joint, weight) for joint, weight in given.items()]
    contacts = [given] if isinstance(given, Contact) else [] if given is None else given
    if not isinstance(contacts, Sequence) or not all(isinstance(contact, Contact) for contact in contacts):
        fix = "Give for example {'walker_knee_l': 0.1}."
        raise InputError(explain("contact as weights by joint, or osimopt.Contact", shown(given), fix))
    for contact in contacts:
        if not contact.rows():
            fix = "Give one of them, or leave contact out."
            raise InputError(explain("a weight, limits or a cone", "none", fix, f"Contact of {contact.joint}"))
    return tuple(contacts)


def _number(text: str) -> float | str:
    """The number, or the text itself where it is none."""
    try:
        return float(text)
    except ValueError:
        return text


def rows_of(contacts: Sequence[Contact]) -> list[ContactRow]:
    """The rows of all contacts."""
    return [row for contact in contacts for row in contact.rows()]


def contact_text(contacts: Sequence[Contact]) -> list[dict[str, Any]]:
    """What a provenance says of contacts."""
    return [
        {name: value for name, value in asdict(contact).items() if value or name == "weight"} for contact in contacts
    ]


def contact_provenance(contacts: Sequence[Contact], body_weight: float) -> dict[str, Any]:
    """What a provenance says of the cost of contact forces."""
    return {"formula": FORMULA, "source": SOURCE, "body_weight": body_weight, "joints": contact_text(contacts)}


def formula_with(formula: str, contacts: Sequence[Contact]) -> str:
    """The formula of a cost, and what contact forces add to it."""
    return f"{formula} + {FORMULA}" if any(contact.weight for contact in contacts) else formula


def carrying(problem: RedundancyProblem, contacts: Sequence[Contact]) -> JointReactions:
    """The reactions of the contacts' joints, on the device of the problem."""
    found = reactions_of(problem, list(dict.fromkeys(contact.joint for contact in contacts)))
    return found if device_of(found.effect) == problem.device else found.moved(Device.of(problem.device).put)


def with_contact(problem: RedundancyProblem, contacts: Sequence[Contact]) -> RedundancyProblem:
    """The problem that carries the reactions of the contacts' joints, beside those that it carries already."""
    known, joints = problem.reactions, list(dict.fromkeys(contact.joint for contact in contacts))
    if not set(joints) - set(() if known is None else known.joints):
        return problem
    found = reactions_of(problem, joints if known is None else [*known.joints, *joints])
    return replace(problem, reactions=found if known is None else replace(found, on=known.on, frame=known.frame))
