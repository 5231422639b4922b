"""What files say of the muscle paths they are of, and what is said of those that say nothing."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from osimopt import PolynomialGeometry, RedundancyProblem, read_problem, write_problem
from osimopt.polynomial import MusclePolynomial
from osimopt.polynomial.files import fits_path
from osimopt.problem.path_record import PATHS, UNKNOWN, UNRECORDED, PathRecord

NEW = PathRecord({"biceps": "exact", "brachialis": "opensim"}, PATHS, "0123abcd")


def from_model(**provenance: Any) -> RedundancyProblem:
    """A problem as if it came from a model."""
    problem = RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 12.0, muscles=["biceps", "brachialis"])
    return replace(problem, provenance={"inputs": {"model": {"file": "arm.osim"}}, **provenance})


def test_a_record_is_read_as_it_was_written() -> None:
    assert PathRecord.read(NEW.plain()) == NEW
    assert PathRecord.of_problem(from_model(**NEW.plain())) == NEW
    assert PathRecord.of_problem(from_model()) == PathRecord(
        dict.fromkeys(["biceps", "brachialis"], "opensim"), UNKNOWN
    )
    assert PathRecord.of_problem(RedundancyProblem.from_arrays([0.05], [500.0], 12.0)) == PathRecord()


def test_differences_are_listed_kind_by_kind() -> None:
    old = replace(NEW, geometry=dict.fromkeys(NEW.geometry, "opensim"))
    assert NEW.differences(NEW) == []
    assert old.differences(NEW) == ["exact in place of opensim for 1 of 2 muscles (biceps)"]
    assert UNRECORDED.differences(NEW) == ["exact in place of opensim for 1 of 2 muscles (biceps)"]
    other = replace(NEW, version=PATHS + 1)
    assert other.differences(NEW) == [f"exact in place of exact of version {PATHS + 1} for 1 of 2 muscles (biceps)"]
    both = PathRecord.joined([old, NEW])
    assert (both.geometry["biceps"], both.description) == ("exact or opensim", "0123abcd")
    assert both.differences(old) == both.differences(NEW) == []
    assert replace(NEW, geometry={"others": "exact"}).differences(NEW) == [], "nothing is known of these muscles"


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (NEW.plain(), ""),
        ({"geometry": dict.fromkeys(NEW.geometry, "opensim"), "path_version": PATHS + 1}, ""),
        ({}, r"its muscle paths are opensim \(2\), by osimopt 0\.1\.0"),
        ({"geometry": dict(NEW.geometry)}, rf"are exact of version {UNKNOWN} \(1\), opensim \(1\), by osimopt 0\.1\.0"),
        ({**NEW.plain(), "path_version": PATHS + 1}, rf"exact of version {PATHS + 1} \(1\), opensim \(1\)"),
    ],
)
def test_a_stored_problem_says_which_paths_it_has(tmp_path: Path, record: dict[str, Any], words: str) -> None:
    """It is read whatever they are: its arrays mean the same."""
    problem = from_model(versions={"osimopt": "0.1.0"}, **record)
    path = write_problem(problem, tmp_path / "problem.npz")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = read_problem(path)
    np.testing.assert_array_equal(found.moment_arm, problem.moment_arm)
    texts = [str(one.message) for one in said]
    assert found.provenance.get("warnings", []) == texts
    assert len(texts) == bool(words)
    if words:
        with pytest.warns(UserWarning, match=words + ".*used as they are. Load the problem from its model"):
            read_problem(path)


def test_fitted_paths_keep_their_record(tmp_path: Path) -> None:
    path = tmp_path / "paths.xml"
    muscle = MusclePolynomial("/forceset/biceps", ("/jointset/elbow/elbow",), 1, np.array([0.3, -0.05]))
    PolynomialGeometry((muscle,), record=NEW).write(path)
    assert PolynomialGeometry.read(path).record == NEW
    assert PolynomialGeometry.read(path).select(["biceps"]).record == NEW
    lines = fits_path(path).read_text().splitlines()
    old = [line for line in lines if line.startswith(("#", "paths_sha256"))]  # as osimopt 0.1 wrote it
    fits_path(path).write_text("\n".join(old))
    assert PolynomialGeometry.read(path).record == UNRECORDED
    fits_path(path).unlink()
    assert PolynomialGeometry.read(path).record == UNRECORDED
