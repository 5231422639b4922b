"""Parameters of a calibration: what they are, their bounds and priors, and which muscles or channels share one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, check_names, explain, shown, some
from ..options import is_number
from ..problem.arrays import Array, MuscleParameters

Of = Literal["muscle", "channel"]


@dataclass(frozen=True)
class Prior:
    """What is known of a parameter before any data: a normal distribution within bounds.

    Attributes
    ----------
    mean, deviation : float
        Of the parameter's logarithm where ``log``, relative to the model's value where also ``relative``: 0 and 0.1 are
        the model's value within 10 %.
    least, most : float
        Bounds of the parameter itself, or of its factor where ``relative``.

    Raises
    ------
    InputError
        A deviation of 0, bounds in the wrong order, or a mean outside of them.

    Examples
    --------
    A maximum isometric force 20 % above the model's, within 10 %:

    >>> import numpy as np, osimopt
    >>> prior = osimopt.Prior(float(np.log(1.2)), 0.1, 0.5, 2.5, relative=True)
    >>> [round(float(value), 2) for value in np.exp(prior.bounds)]
    [0.5, 2.5]
    """

    mean: float
    deviation: float
    least: float
    most: float
    log: bool = True
    relative: bool = False

    def __post_init__(self) -> None:
        numbers = (self.mean, self.deviation, self.least, self.most)
        if not (all(is_number(value) for value in numbers) and self.deviation > 0.0 and self.least < self.most):
            expected = "a prior of numbers with a deviation above 0 and least < most"
            raise InputError(explain(expected, shown(self), "Example: Prior(0.0, 0.1, 0.7, 1.3, relative=True)."))
        low, high = self.bounds
        if not low <= self.mean <= high:
            ends = f"{self.least:g} to {self.most:g}"
            raise InputError(explain("the mean of a prior within its bounds", f"{self.mean:g}, {ends}", "Widen them."))

    @property
    def bounds(self) -> tuple[float, float]:
        """Bounds of what is normally distributed: of the logarithm where ``log``."""
        return (float(np.log(self.least)), float(np.log(self.most))) if self.log else (self.least, self.most)


@dataclass(frozen=True)
class Kind:
    """One kind of parameter: ``of`` muscles or channels, in ``unit``, its usual prior, and who shares one value."""

    of: Of
    unit: str
    prior: Prior
    shared: Literal["each", "channel", "all"]


#: Kinds of parameters. Priors and bounds, and where they come from, are in docs/calibration.md.
KINDS: dict[str, Kind] = {
    "max_isometric_force": Kind("muscle", "N", Prior(0.0, 0.25, 0.5, 2.5, relative=True), "channel"),
    "optimal_fiber_length": Kind("muscle", "m", Prior(0.0, 0.15, 0.7, 1.4, relative=True), "each"),
    "tendon_slack_length": Kind("muscle", "m", Prior(0.0, 0.04, 0.85, 1.15, relative=True), "each"),
    "tendon_strain": Kind("muscle", "1", Prior(0.0, 0.25, 0.5, 2.0, relative=True), "channel"),
    "gain": Kind("channel", "1", Prior(float(np.log(0.35)), 0.6, 0.02, 1.0), "each"),
    "shape": Kind("channel", "1", Prior(-1.0, 0.7, -3.0, 0.0, log=False), "all"),
    "delay": Kind("channel", "s", Prior(0.03, 0.015, 0.0, 0.1, log=False), "all"),
}
#: Kinds that are calibrated by default.
USUAL = ("max_isometric_force", "optimal_fiber_length", "tendon_slack_length", "gain", "shape", "delay")
#: Of the gain where envelopes are shares of a maximum voluntary contraction (MVC), about the channel's largest value.
OF_MVC = 0.3
#: Largest deviation of a tendon's slack length, in optimal fibre lengths: it moves the fibre by as much.
FIBERS = 0.10


@dataclass(frozen=True, eq=False)
class Item:
    """One unknown: its ``kind``, the ``name`` of the muscle, channel or group, and the ``members`` that share it."""

    kind: str
    name: str
    members: tuple[str, ...]
    prior: Prior

    @property
    def label(self) -> str:
        """Kind and name."""
        return f"{self.kind} of {self.name}"


@dataclass(frozen=True, eq=False)
class Parameters:
    """All unknowns as one vector x, in prior standard deviations from the prior's mean.

    ``owner`` has for every kind the unknown of each muscle (M,) or channel (C,), −1 where there is none.
    """

    items: tuple[Item, ...]
    muscles: tuple[str, ...]
    channels: tuple[str, ...]

    @classmethod
    def of(
        cls,
        parameters: Mapping[str, Any],
        priors: Mapping[str, Prior | Mapping[str, Prior]],
        own: MuscleParameters,
        channels: Mapping[str, Sequence[str]],
        share: Array,
    ) -> Parameters:
        """Parameters of the muscles ``own`` and ``channels``; ``share`` (M, C) is how muscles follow channels.

        ``parameters`` has for every kind "each", "channel", "all", or a mapping from groups to members; ``priors`` one
        by kind, or one for each member (a group has that of its first), in place of the usual ones.

        Raises
        ------
        InputError
            Unknown kinds, words or names, or a member of two groups.
        """
        check_names("parameters", parameters, KINDS)
        items: list[Item] = []
        for kind, sharing in parameters.items():
            members = own.names if KINDS[kind].of == "muscle" else tuple(channels)
            for name, group in _groups(kind, sharing, members, own.names, channels, share).items():
                items.append(Item(kind, name, group, _prior(kind, priors.get(kind), own, group)))
        return cls(tuple(items), own.names, tuple(channels))

    def owner(self, kind: str) -> NDArray[np.intp]:
        """Index of the unknown of every muscle or channel, −1 without one."""
        names = self.muscles if KINDS[kind].of == "muscle" else self.channels
        found = np.full(len(names), -1, dtype=np.intp)
        for number, item in enumerate(self.items):
            if item.kind == kind:
                found[[names.index(member) for member in item.members]] = number
        return found

    @property
    def center(self) -> Array:
        """(N,) means of the priors."""
        return np.array([item.prior.mean for item in self.items])

    @property
    def scale(self) -> Array:
        """(N,) standard deviations of the priors."""
        return np.array([item.prior.deviation for item in self.items])

    def bounds(self) -> tuple[Array, Array]:
        """Bounds of x (N,)."""
        ends = np.array([item.prior.bounds for item in self.items]).reshape(-1, 2)
        return (ends[:, 0] - self.center) / self.scale, (ends[:, 1] - self.center) / self.scale

    def raw(self, x: Array) -> Array:
        """(N,) what is normally distributed: logarithms, or the values themselves."""
        return np.asarray(self.center + self.scale * x)

    def spread(self, kind: str, x: Array, fixed: Array | float) -> Array:
        """Values (M,) or (C,) of one kind, without logarithms; ``fixed`` where there is no unknown."""
        owner = self.owner(kind)
        raw = self.raw(x)[owner] if len(self.items) else np.zeros(len(owner))
        log = KINDS[kind].prior.log
        return np.where(owner >= 0, np.exp(raw) if log else raw, fixed)

    def apply(self, x: Array, own: MuscleParameters) -> MuscleParameters:
        """The muscles with the parameters of x."""
        names = ("max_isometric_force", "optimal_fiber_length", "tendon_slack_length")
        changed = {name: getattr(own, name) * self.spread(name, x, 1.0) for name in names}
        return with_strain(replace(own, **changed), self.spread("tendon_strain", x, 1.0))


def gain_of_mvc(largest: float) -> Prior:
    """The prior of a gain where a channel's ``largest`` value is a share of a maximum voluntary contraction."""
    mean = float(np.clip(largest, 0.02, 1.0))
    return Prior(float(np.log(mean)), OF_MVC, min(0.3 * mean, 0.02), 1.0)


#: Properties that hold the tendon's strain at one normalised force, by muscle class.
STRAINS = (
    "FmaxTendonStrain", "tendon_strain_at_one_norm_force", "TendonForceLengthCurve.strain_at_one_norm_force"
)  # fmt: skip
_STIFFNESS = "TendonForceLengthCurve.stiffness_at_one_norm_force"


def with_strain(own: MuscleParameters, factor: Array) -> MuscleParameters:
    """Muscles whose tendons' strain at one normalised force is that times a factor (M,); the curve keeps its shape."""
    if (factor == 1.0).all():
        return own
    changed = {name: own.properties[name] * factor for name in STRAINS if name in own.properties}
    if _STIFFNESS in own.properties:
        changed[_STIFFNESS] = own.properties[_STIFFNESS] / factor
    return replace(own, properties={**own.properties, **changed})


def strain_of(own: MuscleParameters) -> Array:
    """(M,) strain of the tendons at one normalised force, NaN where a class has none."""
    found = np.full(len(own.names), np.nan)
    for name in STRAINS:
        values = np.asarray(own.properties.get(name, found), dtype=float)
        found = np.where(np.isfinite(values), values, found)
    return found


def _groups(
    kind: str, sharing: Any, members: Sequence[str], muscles: Sequence[str], channels: Mapping[str, Sequence[str]],
    share: Array,
) -> dict[str, tuple[str, ...]]:  # fmt: skip
    if isinstance(sharing, Mapping):
        named = [name for group in sharing.values() for name in group]
        check_names(f"members of {kind}", named, members)
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise InputError(explain(f"each member of {kind} in one group", f"{some(twice)} in two", "Drop one."))
        return {str(name): tuple(group) for name, group in sharing.items()}
    if sharing not in ("each", "channel", "all"):
        fix = "Write 'each', 'channel', 'all', or a mapping from groups to names."
        raise InputError(explain(f"who shares {kind}", shown(sharing), fix))
    if sharing == "all":
        return {"all": tuple(members)}
    if sharing == "each" or KINDS[kind].of == "channel":
        return {name: (name,) for name in members}
    groups: dict[str, tuple[str, ...]] = {}
    for row, name in enumerate(muscles):
        fed = [channel for channel, part in zip(channels, share[row], strict=True) if part > 0.0]
        key = "+".join(fed) or name
        groups[key] = (*groups.get(key, ()), name)
    return groups


def _prior(kind: str, given: Any, own: MuscleParameters, members: Sequence[str]) -> Prior:
    """The prior of one unknown; the usual one of a tendon's slack length is limited by the fibres that it moves."""
    usual = KINDS[kind].prior
    prior = given.get(members[0]) if isinstance(given, Mapping) else given
    if prior is not None:
        if not isinstance(prior, Prior) or (prior.log, prior.relative) != (usual.log, usual.relative):
            expected = f"a Prior of {kind} with log={usual.log}, relative={usual.relative}"
            raise InputError(explain(expected, shown(prior), "Start from osimopt.calibration.parameters.KINDS."))
        return prior
    if kind != "tendon_slack_length":
        return usual
    rows = [own.names.index(name) for name in members]
    moves = float(np.min(FIBERS * own.optimal_fiber_length[rows] / own.tendon_slack_length[rows]))
    return replace(usual, deviation=min(usual.deviation, moves))
