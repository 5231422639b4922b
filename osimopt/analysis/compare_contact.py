"""compare_contact: agreement of a joint's contact force with one that an instrumented implant measured."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..emg.strides import Strides
from ..errors import InputError, explain, shown, some
from ..options import is_number
from ..problem.reactions import Frame, On
from ..solution.checks import COVERED, Check, checks_of
from ..solution.reader import Result
from ..solution.solution import RedundancySolution
from .compartments import Compartments
from .contact_comparison import ContactComparison, ContactCurves
from .contact_force import components, components_of, contact_force, divided_force
from .contact_times import common_times, samples_of, strides_within
from .measured_force import Axis, MeasuredForce, Sign, Unit, known_between

if TYPE_CHECKING:
    import pandas as pd


#: Share of stance in a stride of walking: Perry (1992), Gait analysis, gives 60 to 62 %.
STANCE = 0.62


def compare_contact(
    solution: RedundancySolution | Result,
    measured: pd.DataFrame | str | os.PathLike[str],
    columns: str | Mapping[str, str],
    *,
    joint: str,
    direction: str = "-y",
    on: On = "child",
    frame: Frame = "child",
    unit: Unit = "N",
    compression: Sign | None = None,
    axis: Axis | None = None,
    strides: Strides | Sequence[tuple[float, float]] = (),
    stance: float = STANCE,
    body_weight: float | None = None,
    compartments: Compartments | Mapping[str, Any] | pd.DataFrame | None = None,
) -> ContactComparison:
    """Compare the contact force of a joint with a measured one.

    Forces are compared at the solution's frames (as many evenly spaced times where these are uneven), without any
    shift. What was not measured is left out: gaps are not bridged. Agreement can come from a wrong cause: with wrong
    moment arms the forces of one implant were met better (RMSE 369 N) than with right ones (634 N), so that parameters
    that were chosen on a measured force cannot be judged by it.

    Parameters
    ----------
    solution : RedundancySolution or Result
        Solution of any method whose problem carries the joint's reaction or has a model at hand; or a result folder
        with ``joint_reactions.sto``, read by :meth:`osimopt.Result.read`. Failed frames are left out.
    measured : pandas.DataFrame or path-like
        Table (.sto, .mot, or text with commas, semicolons or tabs) whose first column is time in s, or per cent of a
        stride (0 to 100 or 0 to 1); a DataFrame has it as its index or its first column.
    columns : str or mapping
        Component by column: ``{"med": "medial", "F": "norm"}``; a text names the column of the axial force. A sum of
        columns is ``"med + lat"``. Components: ``"axial"``, along ``direction`` (medial + lateral in a knee);
        ``"medial"`` and ``"lateral"``, of ``compartments``; ``"norm"``, the size of the force; ``"fx"``, ``"fy"``,
        ``"fz"`` along the axes of ``frame``. What a file calls total may be axial or the norm.
    joint : str
        The joint.
    direction : str, default "-y"
        Axis of ``frame`` along which a force ``on`` the body compresses the joint. The default is that of tibia and
        femur in OpenSim's models, where y points up: where the shank is the joint's child.
    on, frame : default "child"
        Body on which the force acts, and whose axes it is expressed in, as in ``solution.joint_reactions``.
    unit : {"N", "kN", "BW", "%BW"}
        Unit of the measured force; BW are body weights, %BW per cent of it.
    compression : {"positive", "negative"}, optional
        Sign of the measured axial, medial and lateral forces where the joint is compressed. By default the sign of most
        of their time integral; a note states it where it is negative.
    axis : {"time", "percent"}, optional
        What the first column counts. By default its name decides.
    strides : Strides or sequence of (float, float), optional
        Start and end of strides in s; only these are compared. Per cent are of each of them; by default, of one stride
        from the solution's first to its last frame. Over time, by default, the whole trial is compared, without peaks.
    stance : float, default 0.62
        Share of a stride, from its start, in which the two peaks are searched: largest forces on both sides of the
        deepest valley in the middle half of stance. Where the force falls between them by less than 5 % there is one.
    body_weight : float, optional
        N. Default: that of the model.
    compartments : Compartments or mapping or pandas.DataFrame, optional
        The centres of a knee's two compartments; or ``"medial"`` and ``"lateral"`` force (T,) in N in the solution's
        frames, positive where compressed, as :func:`osimopt.compartment_forces` gives them.

    Returns
    -------
    ContactComparison
        RMSE, r, MAE and bias of all samples and of each stride, both peaks with their times, in N and body weights;
        checks and notes.

    Raises
    ------
    InputError
        Unknown columns, components or joints; a file without an axis, or whose axis does not increase; times that do
        not overlap, strides outside of the solution; forces whose unit or sign contradicts the file.

    References
    ----------
    Fregly BJ, Besier TF, Lloyd DG, Delp SL, Banks SA, Pandy MG, D'Lima DD (2012). Grand challenge competition to
    predict in vivo knee loads. J Orthop Res 30(4), 503-513. doi:10.1002/jor.22023

    Examples
    --------
    A joint that two muscles compress, measured 50 N too high:

    >>> from dataclasses import replace
    >>> import numpy as np, osimopt, pandas as pd
    >>> from osimopt.problem.reactions import JointReactions
    >>> time = np.arange(101) / 100.0
    >>> moment = 12.0 + 8.0 * np.sin(2.0 * np.pi * time)
    >>> problem = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], moment, time=time)
    >>> effect = np.tile([[0.0, 0.0], [-1.0, -1.0], [0.0, 0.0]], (101, 1, 1))
    >>> elbow = JointReactions.from_arrays("elbow", np.zeros((101, 3)), effect, problem.muscles, body_weight=700.0)
    >>> solution = osimopt.solve_static(replace(problem, reactions=elbow))
    >>> measured = pd.DataFrame({"percent": 100.0 * time, "force": solution.muscle_force.sum(axis=1) + 50.0})
    >>> found = osimopt.compare_contact(solution, measured, "force", joint="elbow")
    >>> found.table[["r", "rmse", "bias", "bias_bw"]].round(3)
                 r  rmse  bias  bias_bw
    component
    axial      1.0  50.0 -50.0   -0.071
    """
    if not isinstance(solution, (RedundancySolution, Result)):
        fix = "Solve the problem, or read a folder with osimopt.Result.read."
        raise InputError(explain("a solution, or a result folder that was read", type(solution).__name__, fix))
    solution = solution if isinstance(solution, Result) else solution.to("cpu")
    wanted = components_of(columns)
    names, result = list(wanted.values()), Result.of(solution)
    in_axes = any(name not in ("norm", "medial", "lateral") for name in names)
    force, known_weight = contact_force(solution, joint, on, frame, in_axes)
    divided = {} if compartments is None else divided_force(solution, joint, compartments)
    weight = _body_weight(body_weight, known_weight)
    recorded = MeasuredForce.read(measured, list(wanted), axis).in_newtons(unit, weight).compressive(names, compression)
    time = common_times(result.time, recorded)
    spans, left_out = strides_within(strides, recorded, time)
    simulated = known_between(result.time, components(names, force, direction, divided), time, np.inf)
    samples = tuple(samples_of(time, span, spans) for span in spans)
    curves = ContactCurves(
        time, simulated, recorded.onto(time, spans), tuple(names), samples, spans, _share(stance),
        np.nan if weight is None else weight,
    )  # fmt: skip
    _check_known(curves, recorded)
    notes = [*recorded.notes, *(strides.notes() if isinstance(strides, Strides) else ()), *left_out]
    if recorded.by_stride and len(spans) > 1:
        notes.append(f"One measured stride is compared with each of {len(spans)} strides.")
    notes += curves.doubts()
    if not spans:
        notes.append("Peaks are those of strides: give strides= for them.")
    wanted_times = spans or [(-np.inf, np.inf)]
    keep = np.any([(result.time >= first) & (result.time <= last) for first, last in wanted_times], axis=0)
    made = {"unit": unit, "stance": stance, "on": on, "frame": frame, "direction": direction}
    return ContactComparison(
        joint, curves, curves.pooled(), curves.by_stride(), curves.peaks(),
        (*checks_of(result, keep), _covered(curves, int(keep.sum()))), tuple(notes),
        {"measured": {**recorded.source, "columns": wanted}, **made},
    )  # fmt: skip


def _body_weight(given: Any, known: float | None) -> float | None:
    if given is None:
        return known
    if not is_number(given) or not 0.0 < given < np.inf:
        raise InputError(explain("a body weight in N above 0", shown(given), "A mass of 75 kg weighs 735.5 N."))
    return float(given)


def _share(stance: Any) -> float:
    if not is_number(stance) or not 0.0 < stance <= 1.0:
        raise InputError(explain("stance as a share of the stride, above 0 and up to 1", shown(stance), "Write 0.62."))
    return float(stance)


def _check_known(curves: ContactCurves, recorded: MeasuredForce) -> None:
    known, inside = np.isfinite(curves.simulated), curves.inside
    if not known[inside].any():
        raise InputError(explain("a solution with solved frames", "none solved", "See its status.csv."))
    both = (known & np.isfinite(curves.measured))[inside]
    if empty := [name for name, any_ in zip(recorded.columns, both.any(axis=0), strict=True) if not any_]:
        fix = "Check that the clocks agree, and the gaps of the file."
        raise InputError(
            explain("measured forces in the frames", f"none in {some(empty)}", fix, recorded.source["path"])
        )


def _covered(curves: ContactCurves, frames: int) -> Check:
    """Check that the measured force is known in the frames that were to be compared."""
    known = np.isfinite(curves.measured[curves.inside]).sum(axis=0).min()
    share = min(1.0, float(known) / max(frames, 1))
    return Check(
        "measured force known in", f"{share:.0%} of the frames", f"≥ {COVERED:.0%}", bool(share >= COVERED), ""
    )
