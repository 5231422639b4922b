"""A problem's file: what earlier versions wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from osimopt import RedundancyProblem, read_problem, write_problem


def test_a_file_in_which_parts_have_kinds_is_read(tmp_path: Path) -> None:
    """Before models were described in files, the class of a part was its ``kind``."""
    problem = RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 12.0)
    path = write_problem(problem, tmp_path / "problem.npz")
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(str(arrays.pop("header")))
    np.savez(path, header=np.array(json.dumps(older(header))), **arrays)
    found = read_problem(path)
    np.testing.assert_array_equal(found.generalized_force, problem.generalized_force)
    np.testing.assert_array_equal(found.geometry.moment_arm, problem.geometry.moment_arm)


def older(plain: Any) -> Any:
    if not isinstance(plain, dict):
        return plain
    return {"kind" if name == "class" else name: older(part) for name, part in plain.items()}
