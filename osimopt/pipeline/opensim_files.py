"""The files of OpenSim's StaticOptimization, written as OpenSim 4.6 writes them, and a status file beside them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from ..adapters.messages import ForceRecord
from ..files.storage import write_atomically
from ..problem.arrays import Array
from ..solution.checks import AT_BOUND
from ..solution.opensim_inputs import DOCUMENT
from ..solution.solution import RedundancySolution
from ..solution.status import Status
from ..solution.summary import Summary

#: Characters by which OpenSim's numbers are wider than their decimals.
PAD = 8
#: Significant digits of the status file, whose columns differ by powers of ten.
DIGITS = 10
#: Numbers of the status column, in this order.
CODES = tuple(status for status in Status if status is not Status.UNFINISHED)

#: Beginning of each table, whose sizes come last.
TABLE_HEAD = """\
{title}
version=1
nRows={rows}
nColumns={columns}
inDegrees=no
"""
ACTIVATIONS = """\
This file contains static optimization results.

"""
FORCES = """\

This file contains the forces exerted on a model during a simulation.

A force is a generalized force, meaning that it can be either a force (N) or a torque (Nm).

Units are S.I. units (second, meters, Newtons, ...)
If the header above contains a line with 'inDegrees', this indicates whether rotational values are in degrees (yes) \
or radians (no).

"""
STATUS = """\
What is known of each frame; OpenSim writes no such file. Frames with another status than 0 are nan in the other files,
which OpenSim's TimeSeriesTable reads, and its GUI only up to the first nan.
{legend}
moment_residual: largest missing moment (N.m, or N for translations)
objective: sum of |x|^p over muscles and other actuators
gap, activation_error: proved bounds on the objective (over p) above its optimum and on any activation's distance from \
its own; nan where none is proved
at_upper_bound: muscles at their upper bound
unique: 1 where there is no other answer as good
"""
CONTROL_HEAD = """\
			<ControlLinear name={name}>
				<is_model_control>true</is_model_control>
				<extrapolate>true</extrapolate>
				<default_min>0.02</default_min>
				<default_max>1</default_max>
				<filter_on>false</filter_on>
				<use_steps>false</use_steps>
				<x_nodes>
"""
CONTROL_TAIL = """\
				</x_nodes>
				<min_nodes />
				<max_nodes />
				<kp>100</kp>
				<kv>20</kv>
			</ControlLinear>
"""


def write_opensim_files(
    solution: RedundancySolution, records: Sequence[ForceRecord], base: Path, precision: int = 8
) -> list[Path]:
    """Write ``<base>_activation.sto``, ``_force.sto``, ``_controls.xml`` and ``_status.sto``, each whole or not at all.

    Parameters
    ----------
    solution
        What was found; failed frames are NaN.
    records
        The model's forces in OpenSim's order, over the frames of the solution.
    base
        Folder and beginning of the names, ``results/arm26_StaticOptimization``.
    precision
        Decimals.

    Returns
    -------
    The paths. Files of these names are replaced, as OpenSim does.
    """
    names = [record.name for record in records if record.values is None]
    place = {name: index for index, name in enumerate(solution.problem.actuators)}
    order = [place[name] for name in names]
    control = np.hstack([solution.activation, solution.reserve_control])[:, order]
    force = np.hstack([solution.muscle_force, solution.reserve_force])
    columns = [force[:, [place[record.name]]] if record.values is None else record.values for record in records]
    labels = [label for record in records for label in record.labels]
    texts = {
        "activation.sto": storage_text("Static Optimization", ACTIVATIONS, solution.time, names, control, precision),
        "force.sto": storage_text("ModelForces", FORCES, solution.time, labels, np.hstack(columns), precision),
        "controls.xml": _controls(solution.time, names, control),
        "status.sto": _status(solution),
    }
    paths = [base.with_name(f"{base.name}_{suffix}") for suffix in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        write_atomically(path, text)
    return paths


def storage_text(
    title: str, about: str, time: Array, labels: Sequence[str], values: Array, precision: int, kind: str = "f"
) -> str:
    """Text of one of OpenSim's tables, times first."""
    rows = np.column_stack([time, values])
    form = f"{{:{PAD + precision}.{precision}{kind}}}".format
    lines = ["\t".join(["time", *labels]), *("\t".join(map(form, row)) for row in rows.tolist())]
    head = TABLE_HEAD.format(title=title, rows=len(rows), columns=rows.shape[1])
    return head + about + "\n".join(["endheader", *lines]) + "\n"


def _controls(time: Array, names: Sequence[str], control: Array) -> str:
    parts = []
    indent = "\t" * 5
    times = [f"{t:.17g}" for t in time.tolist()]
    for name, values in zip(names, control.T.tolist(), strict=True):
        parts.append(CONTROL_HEAD.format(name=quoteattr(name)))
        for t, value in zip(times, values, strict=True):
            number = "NaN" if np.isnan(value) else f"{value:.17g}"
            node = f"{indent}\t<t>{t}</t>\n{indent}\t<value>{number}</value>\n"
            parts.append(f"{indent}<ControlLinearNode>\n{node}{indent}</ControlLinearNode>\n")
        parts.append(CONTROL_TAIL)
    return DOCUMENT.format(kind="ControlSet", name="Control Set", objects="".join(parts))


def _status(solution: RedundancySolution) -> str:
    unknown = np.full(len(solution.time), np.nan)
    columns = {
        "status": [CODES.index(status) for status in solution.status],
        "moment_residual": np.abs(solution.moment_residual).max(axis=1, initial=0.0),
        "objective": solution.objective,
        "gap": unknown if solution.gap is None else solution.gap,
        "activation_error": unknown if solution.activation_error is None else solution.activation_error,
        "iterations": solution.iterations,
        "at_upper_bound": (solution.activation > solution.problem.upper - AT_BOUND).sum(axis=1),
        "unique": unknown if solution.unique is None else solution.unique,
    }
    legend = "\n".join(f"status {code}: {status.name.lower()}. {status.value}" for code, status in enumerate(CODES))
    summary = Summary.of(solution)
    notes = [
        f"check {check.verdict}: {check.name}: {check.found}; limit: {check.limit}" for check in summary.checks()
    ] + [text.replace("\n", " ") for text in summary.findings()]
    about = STATUS.format(legend=_plain(legend)) + "".join(f"{_plain(note)}\n" for note in notes)
    values = np.column_stack([np.asarray(column, dtype=float) for column in columns.values()])
    return storage_text("Static Optimization Status", about, solution.time, list(columns), values, DIGITS, "g")


def _plain(text: str) -> str:
    """Text for a header, where a line with a '=' is an entry to every reader."""
    for sign, words in ((">=", "at least"), ("<=", "at most"), (" = ", " is ")):
        text = text.replace(sign, words)
    return re.sub(r"=(?=['\"\w(\[+-]|\.\d)", " ", text).replace("=", "")
