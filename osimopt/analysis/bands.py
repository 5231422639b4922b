"""UncertaintyBands: percentiles of activations, forces and joint reactions over samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import check_names
from ..problem.arrays import Array
from ..problem.reactions import COMPONENTS
from ..solution.checks import FAILED_SHARE
from ..solution.solution import RedundancySolution

if TYPE_CHECKING:
    import pandas as pd

Quantity = Literal["activation", "muscle_force", "joint_reactions"]

#: Columns of a joint: its reaction, and the size of its force.
REACTION = (*COMPONENTS, "f")
#: By uncertain parameter what does not follow it in joint reactions.
KEPT = {
    "moment_arm": "Joint reactions follow the muscle forces that other moment arms require, but muscles pull along the "
    "same lines: bands of joint reactions lack that part.",
    "generalized_force": "Joint reactions follow the muscle forces that other generalized forces require, but the "
    "inertia and loads behind these stay: bands of joint reactions lack that part.",
}


@dataclass(frozen=True, eq=False)
class UncertaintyBands:
    """Percentiles of activation, muscle force and joint reactions over the samples.

    Attributes
    ----------
    solution : RedundancySolution
        The nominal solution, with T frames and M muscles.
    percentiles : (Q,) array
        The requested percentiles, 0 to 100.
    activation, muscle_force : (Q, T, M) array
        Percentiles for each muscle and frame, force in N; NaN where no sample was solved. The medians of all muscles
        together are not a feasible solution.
    samples : int
        Number of samples.
    failed : (T,) array
        Number of samples without a solution in each frame. Percentiles are over the others, and too narrow where many
        failed.
    provenance : dict
        Spreads and seed.
    joints
        J names of joints.
    joint_reactions : (Q, T, J, 7) array
        Percentiles of each component of a joint's force in N (fx, fy, fz) and moment in N·m (mx, my, mz), and of the
        size of its force in N (f).
    """

    solution: RedundancySolution
    percentiles: Array
    activation: Array
    muscle_force: Array
    samples: int
    failed: NDArray[np.intp]
    provenance: dict[str, Any] = field(default_factory=dict)
    joints: tuple[str, ...] = ()
    joint_reactions: Array = field(default_factory=lambda: np.zeros((0, 0, 0, len(REACTION))))

    def findings(self) -> list[str]:
        """Limitations of the bands, as sentences."""
        fixed = [name for name in ("moment_arm", "generalized_force") if name in self.provenance.get("uncertainty", {})]
        found = [KEPT[name] for name in fixed if self.joints]
        share = self.failed / self.samples
        bad = np.flatnonzero(share > FAILED_SHARE)
        if not bad.size:
            return found
        worst = int(share.argmax())
        return [
            *found,
            f"In {bad.size} of {len(share)} frames more than {100 * FAILED_SHARE:g} % of the samples have no solution "
            f"(at most {100 * share[worst]:.0f} %, at {self.solution.time[worst]:g} s): the drawn muscles are too weak "
            "there, and the bands are those of the stronger ones. Add reserves.",
        ]

    def to_dataframe(self, quantity: Quantity = "muscle_force") -> pd.DataFrame:
        """Tendon force in N, or activation, with columns (muscle, percentile) and time in s as index.

        Of ``"joint_reactions"`` the columns are (joint, component, percentile), sorted.
        """
        import pandas as pd

        check_names("quantity", [quantity], get_args(Quantity))
        muscles = {"muscle": self.solution.problem.muscles}
        rows = {"joint": self.joints, "component": REACTION} if quantity == "joint_reactions" else muscles
        rows |= {"percentile": self.percentiles.tolist()}
        columns = pd.MultiIndex.from_product(list(rows.values()), names=list(rows))
        flat = np.moveaxis(getattr(self, quantity), 0, -1).reshape(len(self.solution.time), -1)
        table = pd.DataFrame(flat, index=pd.Index(self.solution.time, name="time"), columns=columns)
        return table.sort_index(axis=1) if quantity == "joint_reactions" else table  # unsorted ones are slow to select

    def summary(self) -> pd.DataFrame:
        """One row per muscle: time in s of its peak nominal force, that force and the percentiles in N."""
        import pandas as pd

        force = np.nan_to_num(self.solution.muscle_force, nan=-np.inf)
        peak, column = force.argmax(axis=0), np.arange(force.shape[1])
        table = {"time": self.solution.time[peak], "nominal": self.solution.muscle_force[peak, column]}
        table |= {f"p{q:g}": self.muscle_force[i, peak, column] for i, q in enumerate(self.percentiles.tolist())}
        return pd.DataFrame(table, index=pd.Index(self.solution.problem.muscles, name="muscle"))
