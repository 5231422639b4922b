"""Problems kept on disk: the same back, and only for the same request."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import osimopt
from osimopt.archive import read_problem, write_problem


def same(one: osimopt.RedundancyProblem, other: osimopt.RedundancyProblem) -> None:
    for problem in (one, other):
        assert problem.parameters is not None
        assert problem.kinematics is not None
    assert one.muscles == other.muscles
    assert one.coordinates == other.coordinates
    assert one.actuators == other.actuators
    for name in ("time", "max_force", "generalized_force", "lower", "upper", "pcsa", "weights", "passive_force"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("moment_arms", "pair_coordinate", "pair_muscle", "length", "lengthening_speed", "spanned"):
        np.testing.assert_array_equal(getattr(one.geometry, name), getattr(other.geometry, name))
    np.testing.assert_array_equal(one.reserves.effect, other.reserves.effect)
    assert one.parameters.properties.keys() == other.parameters.properties.keys()
    np.testing.assert_array_equal(one.kinematics.acceleration, other.kinematics.acceleration)


def test_a_problem_comes_back_from_its_file(two_leg: Any, tmp_path: Path) -> None:
    problem = osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads)
    again = read_problem(write_problem(problem, tmp_path / "walk.npz"))
    same(problem, again)
    assert problem.kinematics is not None
    assert again.kinematics is not None
    assert problem.kinematics.coupling is not None
    assert again.kinematics.coupling is not None
    np.testing.assert_array_equal(problem.kinematics.coupling.slope, again.kinematics.coupling.slope)
    assert again.provenance["inputs"] == problem.provenance["inputs"]
    np.testing.assert_array_equal(osimopt.solve_static(problem).activation, osimopt.solve_static(again).activation)


def test_a_problem_without_a_model_comes_back(tmp_path: Path) -> None:
    problem = osimopt.RedundancyProblem.from_arrays([[0.04, 0.02]], [500.0, 800.0], [[10.0], [12.0]], reserves=1.0)
    again = read_problem(write_problem(problem, tmp_path / "elbow.npz"))
    assert again.parameters is None
    assert again.kinematics is None
    np.testing.assert_array_equal(problem.moment_arm, again.moment_arm)


@pytest.mark.parametrize("content", [None, b"words", b""])
def test_what_is_no_problem_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(osimopt.InputError, match=r"x\.npz.*expected a problem written by osimopt"):
        read_problem(path)


def test_arrays_of_somebody_else_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    with pytest.raises(osimopt.InputError, match="another file"):
        read_problem(tmp_path / "x.npz")


def test_the_second_call_reads_the_cache(two_leg: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    first = osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads, cache=cache)
    assert len(list(cache.iterdir())) == 1

    def no_opensim(*_: object, **__: object) -> None:
        raise AssertionError("opensim was asked")

    monkeypatch.setattr("osimopt.isolation._submit", no_opensim)
    same(first, osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads, cache=cache))
    with pytest.raises(AssertionError, match="opensim was asked"):
        osimopt.load_problem(two_leg.model, two_leg.motion, two_leg.loads, cache=cache, passive_force=True)


def test_another_content_is_another_problem(two_leg: Any, tmp_path: Path) -> None:
    cache, motion = tmp_path / "cache", tmp_path / "motion.mot"
    motion.write_text(Path(two_leg.motion).read_text())
    osimopt.load_problem(two_leg.model, motion, cache=cache)
    osimopt.load_problem(two_leg.model, motion, cache=cache)
    assert len(list(cache.iterdir())) == 1
    lines = motion.read_text().splitlines()
    motion.write_text("\n".join(lines[:-1]).replace(f"nRows={len(lines)}", "") + "\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        osimopt.load_problem(two_leg.model, motion, cache=cache)
    assert len(list(cache.iterdir())) == 2


def test_a_broken_cache_is_made_again(two_leg: Any, tmp_path: Path) -> None:
    first = osimopt.load_problem(two_leg.model, two_leg.motion, cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    same(first, osimopt.load_problem(two_leg.model, two_leg.motion, cache=tmp_path))
    same(first, read_problem(kept))


def test_warnings_are_repeated(two_leg: Any, tmp_path: Path) -> None:
    table = osimopt.read_table(two_leg.motion)
    coupled = next(c for c in table.columns if "beta" in c) if any("beta" in c for c in table.columns) else None
    if coupled is None:
        pytest.skip("the motion has no coupled column")
    table[coupled] += 1.0
    from osimopt.tables import write_table

    motion = write_table(table, tmp_path / "wrong.mot", in_degrees=table.attrs["in_degrees"])
    for _ in range(2):
        with pytest.warns(UserWarning, match="disagree with the model"):
            osimopt.load_problem(two_leg.model, motion, cache=tmp_path / "cache")


def test_a_file_is_no_cache(two_leg: Any, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(osimopt.InputError, match="expected a folder for the cache"):
        osimopt.load_problem(two_leg.model, two_leg.motion, cache=tmp_path / "cache")
