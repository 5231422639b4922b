"""Reserve and residual actuators: what acts on the coordinates beside the muscles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, did_you_mean, explain, some
from ..namespace import alike, namespace, plain
from ..signals import interpolate
from .arrays import Array, Change, Rows, acts

#: N·m; the optimal force of a reserve on a coordinate that muscles serve.
RESERVE = 1.0
#: N·m and N; the optimal forces of a residual actuator on a coordinate that no muscle can serve.
RESIDUAL_MOMENT, RESIDUAL_FORCE = 250.0, 50.0


@dataclass(frozen=True, eq=False)
class ReserveActuators:
    """K scalar actuators beside the muscles: reserves, residual actuators, and actuators of the model.

    Attributes
    ----------
    names
        K names.
    effect
        (T, D, K), or (1, D, K) where it is the same in every frame: the generalized force that control 1
        produces on each coordinate, in N·m (N for translations). For an actuator on one coordinate that is
        its optimal force in the coordinate's row.
    optimal_force
        (K,) output per unit of control, in N·m or N.
    lower, upper
        (K,) bounds of the controls, possibly infinite.
    origin
        K words: ``model`` (found in the model), ``residual`` or ``reserve`` (added).

    Raises
    ------
    InputError
        Effects or optimal forces that are not finite, or lower bounds above upper ones.

    Examples
    --------
    >>> import osimopt
    >>> reserves = osimopt.ReserveActuators.on_coordinates({"knee": 2.0}, ["hip", "knee"], bounds=(-1.0, 1.0))
    >>> reserves.names
    ('reserve_knee',)
    >>> reserves.effect
    array([[[0.],
            [2.]]])
    """

    names: tuple[str, ...]
    effect: Array
    optimal_force: Array
    lower: Array
    upper: Array
    origin: tuple[str, ...]

    @classmethod
    def none(cls, coordinates: int) -> ReserveActuators:
        """No actuators."""
        empty = np.zeros(0)
        return cls((), np.zeros((1, coordinates, 0)), empty, empty, empty, ())

    @classmethod
    def read(
        cls,
        reserves: float | Mapping[str, float] | ReserveActuators | None,
        coordinates: Sequence[str],
        bounds: tuple[float, float] | None = None,
    ) -> ReserveActuators:
        """From a number of N·m for every coordinate, a mapping, or None; those that are reserves already stay."""
        if isinstance(reserves, Real) and not isinstance(reserves, bool):
            reserves = dict.fromkeys(coordinates, float(reserves))
        if isinstance(reserves, Mapping):
            return cls.on_coordinates(reserves, list(coordinates), bounds or (-np.inf, np.inf))
        if bounds is not None:
            fix = "Leave bounds out, or give a number or a mapping."
            raise InputError(explain("bounds only with optimal forces", f"reserves={reserves!r}", fix))
        if reserves is None:
            return cls.none(len(coordinates))
        if not isinstance(reserves, ReserveActuators):
            fix = "Use one of these."
            raise InputError(explain("reserves as a number, {coordinate: N·m} or None", repr(reserves), fix))
        return reserves

    @classmethod
    def on_coordinates(
        cls,
        optimal_force: Mapping[str, float],
        coordinates: Sequence[str],
        bounds: tuple[float, float] = (-np.inf, np.inf),
        origin: Mapping[str, str] | None = None,
    ) -> ReserveActuators:
        """One actuator per named coordinate, with its optimal force in N·m or N."""
        if unknown := [name for name in optimal_force if name not in coordinates]:
            expected = f"reserves on loaded coordinates ({some(coordinates, 40)})"
            raise InputError(explain(expected, some(unknown), did_you_mean(unknown, coordinates, "Rename them.")))
        _check_positive(optimal_force)
        forces = np.array(list(optimal_force.values()), dtype=float)
        effect = np.zeros((1, len(coordinates), len(forces)))
        for column, (name, force) in enumerate(optimal_force.items()):
            effect[0, list(coordinates).index(name), column] = force
        kinds = tuple((origin or {}).get(name, "reserve") for name in optimal_force)
        names = tuple(f"{kind}_{name}" for kind, name in zip(kinds, optimal_force, strict=True))
        lower, upper = (np.full(len(forces), bound) for bound in bounds)
        return cls(names, effect, forces, lower, upper, kinds)

    def __post_init__(self) -> None:
        for name, array in (("effect", self.effect), ("optimal force", self.optimal_force)):
            if not namespace(array).isfinite(array).all():
                raise InputError(explain(f"finite numbers in the {name} of reserves", "NaN or infinity", "Repair it."))
        if not (self.lower <= self.upper).all():
            rows = zip(self.names, self.lower.tolist(), self.upper.tolist(), strict=True)
            bad = [f"{low:g} above {high:g} for {name}" for name, low, high in rows if not low <= high]
            raise InputError(explain("lower bounds of reserves of at most the upper ones", some(bad), "Swap them."))

    @property
    def acts(self) -> NDArray[np.bool_]:
        """(D, K) on which coordinates each actuator acts, by more than rounding of what actuators do at control 1."""
        output = np.where(self.optimal_force == 0.0, 1.0, self.optimal_force)
        return np.asarray(plain(acts(self.effect / alike(output, self.effect), axis=0)))

    def __add__(self, other: ReserveActuators) -> ReserveActuators:
        """Both sets, this one first."""
        frames = max(len(self.effect), len(other.effect))
        like = next((e for e in (self.effect, other.effect) if not isinstance(e, np.ndarray)), self.effect)
        xp, effects = namespace(like), [alike(e, like) for e in (self.effect, other.effect)]
        stretched = [xp.broadcast_to(e, (frames, *e.shape[1:])) for e in effects]
        return ReserveActuators(
            self.names + other.names,
            xp.concat(stretched, axis=2),
            np.concatenate([self.optimal_force, other.optimal_force]),
            np.concatenate([self.lower, other.lower]),
            np.concatenate([self.upper, other.upper]),
            self.origin + other.origin,
        )

    def frames(self, keep: Rows) -> ReserveActuators:
        """The same actuators at fewer frames."""
        return self.moved(lambda array: array[keep])

    def at(self, time: Array, times: Array) -> ReserveActuators:
        """The same actuators, whose frames are at ``time`` (T,) s, at other times: by spline where effects vary."""
        return self.moved(lambda array: interpolate(time, array, times))

    def moved(self, change: Change) -> ReserveActuators:
        """The same actuators at other times, to which ``change`` takes effects that vary."""
        same = len(self.effect) == 1 and isinstance(self.effect, np.ndarray)  # one frame of many may be on a device
        return self if same else replace(self, effect=change(self.effect))

    def select(self, coordinates: NDArray[np.intp]) -> ReserveActuators:
        """The same actuators on a subset of the coordinates."""
        return replace(self, effect=self.effect[:, coordinates])

    def pick(self, actuators: NDArray[np.intp]) -> ReserveActuators:
        """Some of the actuators, by index."""
        names, origin = (tuple(words[index] for index in actuators) for words in (self.names, self.origin))
        force, lower, upper = (array[actuators] for array in (self.optimal_force, self.lower, self.upper))
        return ReserveActuators(names, self.effect[:, :, actuators], force, lower, upper, origin)


def choose_reserves(
    reserves: str | float | Mapping[str, float] | ReserveActuators | None,
    coordinates: Sequence[str],
    rotational: Sequence[bool],
    served_by_muscle: NDArray[np.bool_],
    served_by_actuator: NDArray[np.bool_],
) -> ReserveActuators:
    """Turn the ``reserves`` argument of the public functions into actuators to add to those of the model.

    ``"auto"``: where a coordinate has no actuator yet, an unbounded reserve of 1 N·m, or, where no muscle
    can serve it either (a floating base), an unbounded residual actuator of 250 N·m or 50 N. A number: an
    unbounded reserve of that optimal force on every coordinate without an actuator. A mapping: unbounded
    reserves on the coordinates it names. ``None``: nothing.
    """
    if reserves is None:
        return ReserveActuators.none(len(coordinates))
    if isinstance(reserves, ReserveActuators):
        return reserves
    if isinstance(reserves, Mapping):
        return ReserveActuators.on_coordinates(reserves, coordinates)
    if isinstance(reserves, bool) or not (isinstance(reserves, Real) or reserves == "auto"):
        fix = "Use one of these."
        raise InputError(explain("reserves='auto', None, a number or {coordinate: N·m}", repr(reserves), fix))
    if not isinstance(reserves, str):
        _check_positive(dict.fromkeys(coordinates, float(reserves)))
    forces: dict[str, float] = {}
    origin: dict[str, str] = {}
    for index, name in enumerate(coordinates):
        if served_by_actuator[index]:
            continue
        residual = reserves == "auto" and not served_by_muscle[index]
        moment_or_force = RESIDUAL_MOMENT if rotational[index] else RESIDUAL_FORCE
        forces[name] = moment_or_force if residual else (RESERVE if isinstance(reserves, str) else float(reserves))
        origin[name] = "residual" if residual else "reserve"
    return ReserveActuators.on_coordinates(forces, coordinates, origin=origin)


def _check_positive(optimal_force: Mapping[str, float]) -> None:
    if bad := [f"{force:g} for {name}" for name, force in optimal_force.items() if not 0.0 < force < np.inf]:
        raise InputError(explain("positive optimal forces of reserves", some(bad), "Give N·m > 0."))
