"""Muscle synergies: muscles that are activated together, in fixed proportions.

Controls x of the muscles (activations, or excitations) follow S synergies with vectors W (M, S) where

    x = lower + W h,   h ≥ 0,

``lower`` being the muscles' lower bounds: a control at h = 0 is the least that its muscle can have, as of a model whose
activations are at least 0.01. A muscle of the table whose weights are all 0 stays on its lower bound. Muscles that the
table does not name are free.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, check_names, explain, shown, some
from ..files.storage import csv_rows, write_atomically
from .arrays import Array, Index
from .problem import RedundancyProblem

if TYPE_CHECKING:
    import pandas as pd

_FIX = "Give a table of muscles by synergies, as osimopt.find_synergies(solution) has it, or its CSV file."


@dataclass(frozen=True, eq=False, repr=False)
class Synergies:
    """Vectors of muscle synergies.

    Attributes
    ----------
    weights
        (M, S) W ≥ 0: by how much h = 1 of a synergy raises the activation or excitation of a muscle.
    muscles, names
        M and S names. A name as ``left_2`` is the second of the group ``left``.
    vaf
        Variance accounted for by group, in the solution in which they were found; empty where that is not known.
    source
        Where they are from: a file, or the solution in which they were found.

    Raises
    ------
    InputError
        Negative weights, or none in a synergy, names that stand twice.

    Examples
    --------
    >>> import numpy as np, osimopt
    >>> synergies = osimopt.Synergies(np.array([[1.0], [0.5]]), ("muscle_0", "muscle_1"), ("all_1",))
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 12.0)
    >>> osimopt.solve_static(problem, synergies=synergies).activation.round(3)
    array([[0.407, 0.203]])
    """

    weights: Array
    muscles: tuple[str, ...]
    names: tuple[str, ...]
    vaf: Mapping[str, float] = field(default_factory=dict)
    source: str = "arrays"

    def __post_init__(self) -> None:
        """Check weights and names."""
        object.__setattr__(self, "muscles", tuple(self.muscles))
        object.__setattr__(self, "names", tuple(self.names))
        weights, shape = _numbers(self.weights), (len(self.muscles), len(self.names))
        if weights is None or weights.shape != shape or not all(shape):
            got = "no numbers" if weights is None else f"shape {weights.shape}"
            raise InputError(explain(f"weights of synergies of shape {shape}, 1 each at least", got, _FIX, self.source))
        for what, own in (("muscle", self.muscles), ("synergy", self.names)):
            if twice := sorted({name for name in own if own.count(name) > 1}):
                fix = "Name each once."
                raise InputError(explain(f"each {what} once", f"{some(twice)} twice", fix, self.source))
        if not np.isfinite(weights).all() or (weights < 0.0).any():
            bad = np.array(self.muscles)[(~np.isfinite(weights) | (weights < 0.0)).any(axis=1)]
            fix = "Muscles pull only: make negative weights 0."
            raise InputError(explain("finite weights of synergies ≥ 0", f"others of {some(bad)}", fix, self.source))
        if (idle := ~weights.any(axis=0)).any():
            got = f"only 0 in {some(np.array(self.names)[idle])}"
            raise InputError(explain("a positive weight in every synergy", got, "Leave it out.", self.source))
        object.__setattr__(self, "weights", weights)

    def __repr__(self) -> str:
        """Return one line: number by group, muscles, and variance accounted for."""
        fit = ", ".join(f"{group} {value:.3f}" for group, value in self.vaf.items())
        return f"<Synergies: {self.text()} of {len(self.muscles)} muscles{f', VAF {fit}' if fit else ''}>"

    @property
    def groups(self) -> tuple[str, ...]:
        """(S,) group of each synergy: its name without the number at its end."""
        return tuple(group_of(name) for name in self.names)

    @property
    def number(self) -> dict[str, int]:
        """How many there are by group."""
        return {group: self.groups.count(group) for group in dict.fromkeys(self.groups)}

    def text(self) -> str:
        """How many there are, as "4 synergies of left, 4 of right"."""
        counts = [f"{count} of {group}" for group, count in self.number.items()]
        group, count = next(iter(self.number.items()))
        first = f"{count} synerg{'y' if count == 1 else 'ies'} of {group}"
        return ", ".join([first, *counts[1:]])

    def rows(self, muscles: tuple[str, ...]) -> Index:
        """(M,) places of the muscles among others' names.

        Raises
        ------
        InputError
            A muscle that is not among them.
        """
        check_names("muscles of synergies", self.muscles, muscles, self.source)
        return np.array([muscles.index(name) for name in self.muscles], dtype=np.intp)

    def most(self, problem: RedundancyProblem) -> Array:
        """(S,) largest h of each synergy, at which a muscle of the problem is on its upper bound."""
        own = self.rows(problem.muscles)
        room = (problem.upper - problem.lower)[own][:, None]
        ratio = np.where(self.weights > 0.0, room / np.where(self.weights > 0.0, self.weights, 1.0), np.inf)
        return np.asarray(ratio.min(axis=0))

    def activations(self, values: Array, lower: Array) -> Array:
        """(T, S) h ≥ 0 that gives activations or excitations (T, M) of these muscles best; ``lower`` (M,).

        It is exact for those of a solution with these synergies; NaN in frames with NaN.
        """
        from scipy.optimize import nnls

        found = np.full((len(values), len(self.names)), np.nan)
        for frame in np.flatnonzero(np.isfinite(values).all(axis=1)).tolist():
            found[frame] = nnls(self.weights, values[frame] - lower)[0]
        return found

    def to_dataframe(self) -> pd.DataFrame:
        """The weights; muscles are the index."""
        import pandas as pd

        return pd.DataFrame(self.weights, index=pd.Index(self.muscles, name="muscle"), columns=list(self.names))

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write a CSV file, ``muscle`` and a column for each synergy, which ``synergies=`` takes.

        Examples
        --------
        >>> import numpy as np, osimopt
        >>> synergies = osimopt.Synergies(np.array([[1.0], [0.5]]), ("soleus_l", "tibant_l"), ("left_1",))
        >>> print(synergies.write("synergies.csv").read_text())
        muscle,left_1
        soleus_l,1.0
        tibant_l,0.5
        <BLANKLINE>
        """
        head = (",".join(("muscle", *self.names)) + "\n").encode()
        write_atomically(Path(path), head + csv_rows([self.muscles, *self.weights.T.tolist()]))
        return Path(path)

    def provenance(self) -> dict[str, Any]:
        """What a solution's provenance says of them: source, hash of names and weights, number and VAF by group."""
        text = "\n".join([*self.muscles, *self.names]).encode() + self.weights.tobytes()
        known = {"source": self.source, "sha256": hashlib.sha256(text).hexdigest(), "number": self.number}
        return known | ({"vaf": dict(self.vaf)} if self.vaf else {})


def group_of(name: str) -> str:
    """The group of a synergy: ``left`` of ``left_2``."""
    group, _, number = name.rpartition("_")
    return group if group and number.isdigit() else "all"


def read_synergies(given: Any) -> Synergies | None:
    """Make :class:`Synergies` of such, of a DataFrame (muscles by synergies) or of a CSV file; None of None.

    Raises
    ------
    InputError
        Something else, or wrong weights or names.
    """
    given = getattr(given, "synergies", given)  # of what osimopt.find_synergies gives
    if given is None or isinstance(given, Synergies):
        return given
    if isinstance(given, (str, os.PathLike)):
        return _read_csv(Path(given))
    if hasattr(given, "index") and hasattr(given, "columns") and hasattr(given, "to_numpy"):
        muscles, names = (tuple(map(str, labels)) for labels in (given.index, given.columns))
        return Synergies(given.to_numpy(), muscles, names, {}, "DataFrame")
    raise InputError(explain("synergies as osimopt.Synergies, a DataFrame or a CSV file", shown(given), _FIX))


def _read_csv(path: Path) -> Synergies:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(explain("a CSV file of synergies", "no such file", "Check the path.", path)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(explain("a CSV file of synergies", str(error), _FIX, path)) from None
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if any(map(str.strip, row))]
    if len(rows) < 2 or rows[0][0].lower() != "muscle" or len(rows[0]) < 2:
        got = ",".join(rows[0])[:80] if rows else "no rows"
        raise InputError(explain("a first row muscle,left_1,… and one row for each muscle", got, _FIX, path))
    if bad := [row[0] for row in rows if len(row) != len(rows[0])]:
        got = f"another number for {some(bad)}"
        raise InputError(explain(f"{len(rows[0])} cells in each row", got, "Correct the rows.", path))
    return Synergies([row[1:] for row in rows[1:]], [row[0] for row in rows[1:]], rows[0][1:], {}, str(path))  # type: ignore[arg-type]


def _numbers(given: Any) -> Array | None:
    """An array of the numbers; None where they are none."""
    try:
        return np.array(given, dtype=float)
    except (TypeError, ValueError):
        return None
