"""Muscle synergies of a solution or of measured activity, by non-negative matrix factorisation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import InputError, explain, shown, some
from ..options import check_word
from ..problem.arrays import Array, Index
from ..problem.names import match_names, side_of
from ..problem.synergies import Synergies
from ..solution.reader import Result
from ..solution.solution import RedundancySolution
from .factorise import accounted, factorised

if TYPE_CHECKING:
    import pandas as pd

Normalize = Literal["none", "peak", "deviation"]
#: Variance accounted for that as many synergies as are needed reach: of all muscles together, and of each muscle.
ENOUGH, ENOUGH_EACH = 0.90, 0.75
#: Values below this are 0: such a muscle has no variance.
LEAST = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class FoundSynergies:
    """Synergies of a motion: ``values ≈ lower + activation · weightsᵀ``.

    Attributes
    ----------
    synergies
        The vectors, each with 1 as its largest entry: :func:`osimopt.solve_static` and ``solve_dynamic`` take them.
    time
        (T,) s of the frames that were factorised.
    activation
        (T, S) h ≥ 0.
    vaf
        By group: variance accounted for, 1 − ‖E − W H‖² / ‖E‖², not centred.
    muscle_vaf
        The same by muscle; NaN of a muscle that never leaves its lower bound.

    Examples
    --------
    >>> import numpy as np, osimopt
    >>> time = np.linspace(0.0, 1.0, 51)
    >>> moment = np.column_stack([20.0 + 10.0 * np.sin(6.0 * time), 15.0 + 10.0 * np.cos(6.0 * time)])
    >>> arms = [[0.05, 0.04, 0.02], [0.01, 0.03, 0.05]]
    >>> problem = osimopt.RedundancyProblem.from_arrays(arms, [900.0, 800.0, 900.0], moment, time=time)
    >>> found = osimopt.find_synergies(osimopt.solve_static(problem), 2, groups=None)
    >>> isinstance(found, osimopt.FoundSynergies), found.activation.shape
    (True, (51, 2))
    """

    synergies: Synergies
    time: Array
    activation: Array
    vaf: dict[str, float]
    muscle_vaf: dict[str, float]

    def __repr__(self) -> str:
        """Return one line: number, muscles and variance accounted for by group."""
        return f"<FoundSynergies in {len(self.time)} frames: {self.synergies}>"

    def to_dataframe(self) -> pd.DataFrame:
        """Activations h of the synergies; the index is time in s."""
        import pandas as pd

        return pd.DataFrame(self.activation, index=pd.Index(self.time, name="time"), columns=list(self.synergies.names))


@dataclass(frozen=True, eq=False)
class _Activity:
    """What is factorised: activity (T, M) ``above`` the muscles' lower bounds, each divided by ``unit`` (M,)."""

    time: Array
    above: Array
    unit: Array
    muscles: tuple[str, ...]
    groups: dict[str, Index]
    source: str


def find_synergies(
    solution: RedundancySolution | Result | pd.DataFrame,
    n: int | Mapping[str, int] = 4,
    groups: str | Mapping[str, str | Sequence[str]] | None = "sides",
    quantity: str | None = None,
    normalize: Normalize = "none",
) -> FoundSynergies:
    """Find synergies: vectors of muscles that are active together, by non-negative matrix factorisation [1]_.

    E ≈ H Wᵀ, both without negative entries, is found for what activities E (T, M) exceed the muscles' lower bounds, by
    coordinate descent (scikit-learn) from the singular value decomposition and from eight random starts with fixed
    seeds. The factorisation of least error is kept: the same input gives the same synergies.

    Parameters
    ----------
    solution : RedundancySolution | Result | DataFrame
        A solution, its result folder as :meth:`osimopt.Result.read` has it, or activities ≥ 0 by muscle, as measured
        ones, with time in s as the index. Frames with NaN are left out.
    n : int | Mapping[str, int]
        Number of synergies of each group, or by group.
    groups : str | Mapping | None
        Muscles that share synergies. ``"sides"``: the left and the right ones by their names (of names without sides:
        all); muscles of neither side are in no group, and free where the synergies are used. Or names, patterns or
        sides by group, as ``{"left": "*_l"}``. None: all muscles.
    quantity : str | None
        ``"excitation"`` or ``"activation"``; default: excitations of a dynamic solution, activations of others.
    normalize : {"none", "peak", "deviation"}
        What each muscle's activity is divided by before: its peak, or its standard deviation, so that muscles of small
        activity count as much as others. Weights are those of the activity itself in any case; the variance accounted
        for is that of the normalised one.

    Returns
    -------
    FoundSynergies

    Raises
    ------
    InputError
        More synergies than muscles or frames, unknown groups or quantities, negative activity.

    References
    ----------
    .. [1] Tresch, Cheung & d'Avella (2006), Matrix factorization algorithms for the identification of muscle synergies,
       doi:10.1152/jn.00222.2005

    Examples
    --------
    >>> import numpy as np, osimopt
    >>> moment = np.column_stack([8.0 + 4.0 * np.sin(np.linspace(0.0, 6.0, 50)), np.linspace(2.0, 6.0, 50)])
    >>> arms = [[0.05, 0.03, 0.02], [0.0, 0.02, 0.04]]
    >>> problem = osimopt.RedundancyProblem.from_arrays(arms, [500.0, 300.0, 400.0], moment)
    >>> found = osimopt.find_synergies(osimopt.solve_static(problem), n=2)
    >>> found.synergies.names, bool(found.vaf["all"] > 0.95)
    (('all_1', 'all_2'), True)
    >>> osimopt.solve_static(problem.with_reserves(1.0), synergies=found.synergies).success
    True
    """
    activity = _activity(solution, groups, quantity, normalize)
    numbers = _numbers(n, activity)
    weights = np.zeros((len(activity.muscles), sum(numbers.values())))
    names, parts, vaf, each, first = list[str](), list[Array](), dict[str, float](), dict[str, float](), 0
    for group, muscles in activity.groups.items():
        count, E = numbers[group], activity.above[:, muscles]
        H, W = factorised(E, count)
        vaf[group], own = accounted(E, H, W)
        each |= dict(zip([activity.muscles[m] for m in muscles], own.tolist(), strict=True))
        W = W * activity.unit[muscles]
        size = np.where(W.any(axis=1), W.max(axis=1), 1.0)
        weights[muscles, first : first + count] = (W / size[:, None]).T
        parts.append(H * size)
        names += [f"{group}_{number}" for number in range(1, count + 1)]
        first += count
    inside = np.unique(np.concatenate(list(activity.groups.values())))
    muscles_in = tuple(activity.muscles[m] for m in inside)
    found = Synergies(weights[inside], muscles_in, tuple(names), vaf, activity.source)
    return FoundSynergies(found, activity.time, np.hstack(parts), vaf, {name: each[name] for name in muscles_in})


def synergy_fit(
    solution: RedundancySolution | Result | pd.DataFrame,
    most: int = 8,
    groups: str | Mapping[str, str | Sequence[str]] | None = "sides",
    quantity: str | None = None,
    normalize: Normalize = "none",
) -> pd.DataFrame:
    """Variance accounted for by 1, 2, … synergies of each group.

    As many synergies are called enough as account for more than 90 % of the variance of all muscles together and for
    more than 75 % of that of each muscle [1]_.

    Parameters
    ----------
    solution, groups, quantity, normalize
        As in :func:`find_synergies`.
    most : int
        Largest number of synergies; less where a group has fewer muscles.

    Returns
    -------
    DataFrame
        By group and number: ``vaf``, ``least_vaf``, that of the muscle that is accounted for least, and that
        ``muscle``. ``attrs["enough"]`` has the least number with more than 90 % by group, ``attrs["enough_each"]`` the
        least with more than 75 % of each muscle too; None where ``most`` are too few.

    References
    ----------
    .. [1] Torres-Oviedo, Macpherson & Ting (2006), Muscle synergy organization is robust across a variety of postural
       perturbations, doi:10.1152/jn.00810.2005

    Examples
    --------
    >>> import numpy as np, osimopt
    >>> moment = np.column_stack([8.0 + 4.0 * np.sin(np.linspace(0.0, 6.0, 50)), np.linspace(2.0, 6.0, 50)])
    >>> arms = [[0.05, 0.03, 0.02], [0.0, 0.02, 0.04]]
    >>> problem = osimopt.RedundancyProblem.from_arrays(arms, [500.0, 300.0, 400.0], moment)
    >>> fit = osimopt.synergy_fit(osimopt.solve_static(problem))
    >>> fit.index.names, list(fit.columns), fit.attrs["enough"]
    (FrozenList(['group', 'number']), ['vaf', 'least_vaf', 'muscle'], {'all': 2})
    """
    import pandas as pd

    activity = _activity(solution, groups, quantity, normalize)
    if not isinstance(most, Integral) or most < 1:
        raise InputError(explain("most as a whole number ≥ 1", shown(most), "8 is the default."))
    rows, enough, each_enough = [], dict[str, int | None](), dict[str, int | None]()
    for group, muscles in activity.groups.items():
        enough[group] = each_enough[group] = None
        E = activity.above[:, muscles]
        for number in range(1, min(most, *E.shape) + 1):
            vaf, each = accounted(E, *factorised(E, number))
            worst = int(np.nanargmin(each))
            rows.append((group, number, vaf, float(each[worst]), activity.muscles[muscles[worst]]))
            if vaf > ENOUGH:
                enough[group] = enough[group] or number
                if each[worst] > ENOUGH_EACH:
                    each_enough[group] = each_enough[group] or number
    table = pd.DataFrame(rows, columns=["group", "number", "vaf", "least_vaf", "muscle"])
    table = table.set_index(["group", "number"])
    table.attrs |= {"enough": enough, "enough_each": each_enough}
    return table


def _activity(given: Any, groups: Any, quantity: str | None, normalize: str) -> _Activity:
    """Read what is factorised.

    Raises
    ------
    InputError
        Nothing to factorise.
    """
    check_word("normalize", normalize, ("none", "peak", "deviation"))
    time, values, muscles, lower, source = _values(given, quantity)
    known = np.isfinite(values).all(axis=1)
    if known.sum() < 2:
        raise InputError(explain("two solved frames at least", f"{int(known.sum())}", "See the solution's findings."))
    values = values[known] - lower
    if (values < -1e-6).any():
        got = f"{values.min():.2g} below the lower bound of {muscles[int(values.min(axis=0).argmin())]}"
        raise InputError(explain("activities within their bounds, ≥ 0 of a table", got, "Clip them."))
    values = np.where(values > LEAST, values, 0.0)
    size = {"none": np.ones(len(muscles)), "peak": values.max(axis=0), "deviation": values.std(axis=0)}[normalize]
    unit = np.where(size > LEAST, size, 1.0)
    return _Activity(time[known], values / unit, unit, muscles, dict(_groups(groups, muscles)), source)


def _values(given: Any, quantity: str | None) -> tuple[Array, Array, tuple[str, ...], Array, str]:
    """Times (T,), values (T, M), names, lower bounds (M,), and a word on the origin."""
    if isinstance(given, (RedundancySolution, Result)):
        result, excitation = Result.of(given), getattr(given, "excitation", None)
        name = quantity or ("activation" if excitation is None else "excitation")
        check_word("quantity", name, ("activation", "excitation"))
        values = result.activation if name == "activation" else excitation
        if values is None:
            fix = "Choose activation, or a dynamic solution."
            raise InputError(explain("a solution with excitations", f"one of method {result.name}", fix))
        if isinstance(given, RedundancySolution):
            lower = given.problem.lower
        else:
            least = given.summary.get("lower_bound", {})
            lower = np.array([float(least.get(name, 0.0)) for name in result.muscles])
        return result.time, values, result.muscles, lower, f"{name} of {result.name}, {result.formula}"
    if hasattr(given, "columns") and hasattr(given, "to_numpy"):
        names = tuple(map(str, given.columns))
        try:
            numbers = given.index.to_numpy(dtype=float), given.to_numpy(dtype=float)
            return *numbers, names, np.zeros(len(names)), "DataFrame"
        except (TypeError, ValueError) as error:
            raise InputError(explain("a DataFrame of numbers", str(error), "Leave other columns out.")) from None
    fix = "Give one of them; osimopt.Result.read reads a folder."
    raise InputError(explain("a solution, a Result or a DataFrame", shown(type(given).__name__), fix))


def _groups(groups: Any, muscles: tuple[str, ...]) -> Iterator[tuple[str, Index]]:
    """Muscles of each group."""
    sides = [side_of(name) for name in muscles]
    if groups is None or (groups == "sides" and not any(sides)):
        yield "all", np.arange(len(muscles))
    elif groups == "sides":
        for side in ("left", "right"):
            if side in sides:
                yield side, np.array([m for m, own in enumerate(sides) if own == side])
    elif isinstance(groups, Mapping) and groups:
        members = {str(name): match_names("muscles", wanted, muscles) for name, wanted in groups.items()}
        count = np.bincount(np.concatenate(list(members.values())), minlength=len(muscles))
        if (count > 1).any():  # both groups would raise the muscle
            got = f"{some(np.array(muscles)[count > 1])} in several"
            raise InputError(explain("each muscle in one group", got, "Name each once."))
        yield from members.items()
    else:
        fix = "Example: {'left': '*_l', 'right': '*_r'}."
        raise InputError(explain("groups as 'sides', None, or names of muscles by group", shown(groups), fix))


def _numbers(n: Any, activity: _Activity) -> dict[str, int]:
    """How many synergies each group has."""
    wanted = n if isinstance(n, Mapping) else dict.fromkeys(activity.groups, n)
    found = {}
    for group, muscles in activity.groups.items():
        count, most = wanted.get(group), min(len(activity.time), len(muscles))
        if not isinstance(count, Integral) or isinstance(count, bool) or not 1 <= int(count) <= most:
            expected = f"a whole number of synergies of '{group}' from 1 to {most}, its number of muscles or frames"
            raise InputError(explain(expected, shown(count), "4 is usual for a leg."))
        found[group] = int(count)
    return found
