"""A surrogate for problems with other muscle paths than those of its training."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import osimopt
from osimopt.polynomial import MusclePolynomial
from osimopt.problem.path_record import PATHS, UNRECORDED, PathRecord
from osimopt.surrogate.folder import DESCRIPTION
from osimopt.surrogate.geometry import GeometrySurrogate
from osimopt.surrogate.training import TrainingOptions

MUSCLES = ("muscle_0", "muscle_1")


def problem(kind: str) -> osimopt.RedundancyProblem:
    moments = 10.0 + 10.0 * np.sin(np.linspace(0.0, 6.0, 60))
    plain = osimopt.RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], moments[:, None])
    record = PathRecord(dict.fromkeys(MUSCLES, kind), PATHS, "0123abcd")
    return replace(plain, provenance={"inputs": {"model": {"file": "arm.osim"}}, **record.plain()})


def forget(folder: Path, *places: str) -> None:
    """Remove an entry, as osimopt 0.1 did not write it."""
    description = json.loads((folder / DESCRIPTION).read_text())
    part = description
    for place in places[:-1]:
        part = part[place]
    del part[places[-1]]
    (folder / DESCRIPTION).write_text(json.dumps(description))


def test_other_paths_are_named_with_the_remedy(tmp_path: Path) -> None:
    trained = osimopt.train_static_surrogate([problem("exact")], frames=20, options=TrainingOptions(epochs=1))
    folder = trained.surrogate.save(tmp_path / "network")
    network = osimopt.Surrogate.load(folder)
    assert PathRecord.read(network.provenance["paths"]) == PathRecord.of_problem(problem("exact"))
    assert network.solve(problem("exact")).success, "without a warning, which would be an error here"
    words = (
        r"opensim in place of exact for 2 of 2 muscles \(muscle_0, muscle_1\)\. Train it anew, or .*geometry='exact'"
    )
    with pytest.warns(UserWarning, match=words):
        solution = network.solve(problem("opensim"))
    assert any("trained with other muscle paths" in text for text in solution.findings())
    forget(folder, "provenance", "paths")
    old = osimopt.Surrogate.load(folder)
    with pytest.warns(UserWarning, match=r"exact in place of opensim for 2 of 2.*geometry='opensim'"):
        old.solve(problem("exact"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        old.solve(problem("opensim"))


def test_networks_of_paths_keep_their_record(tmp_path: Path) -> None:
    muscle = MusclePolynomial("/forceset/muscle_0", ("/jointset/elbow/elbow",), 1, np.array([0.3, -0.05]))
    record = PathRecord({"muscle_0": "exact"}, PATHS, "0123abcd")
    folder = GeometrySurrogate(osimopt.PolynomialGeometry((muscle,), record=record), ()).save(tmp_path / "paths")
    assert GeometrySurrogate.load(folder).record == record
    forget(folder, "record")
    assert GeometrySurrogate.load(folder).record == UNRECORDED
