"""Figures of bands: what is drawn is what was computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import osimopt
from osimopt import InputError, RedundancyProblem
from osimopt.report import panels


def problem(muscles: int = 14) -> RedundancyProblem:
    rng = np.random.default_rng(0)
    arm, force = rng.uniform(0.02, 0.05, (2, muscles)), rng.uniform(100.0, 900.0, muscles)
    arm[0, ::2] *= -1.0
    produced = np.einsum("dm,tm->td", arm, force * rng.uniform(0.1, 0.4, (5, muscles)))
    return RedundancyProblem.from_arrays(arm, force, produced)


@pytest.mark.slow
def test_ranges_are_drawn_with_the_solution(drawn: list[Any], tmp_path: Path) -> None:
    ranges = osimopt.feasible_ranges(problem())
    path = panels.draw_ranges(ranges, tmp_path / "all.png")
    assert path.stat().st_size > 0
    assert len(drawn[0].axes) == panels.BANDS
    panels.draw_ranges(ranges, tmp_path / "two.png", ["muscle_3", "muscle_0"])
    left, right = drawn[1].axes
    assert (left.get_title("left"), right.get_title("left")) == ("muscle_3", "muscle_0")
    np.testing.assert_array_equal(left.lines[0].get_ydata(), ranges.force(ranges.optimum)[:, 3])
    corners = left.collections[0].get_paths()[0].vertices
    low, high = ranges.to_dataframes()
    assert corners[:, 1].min() == pytest.approx(low["muscle_3"].min())
    assert corners[:, 1].max() == pytest.approx(high["muscle_3"].max())


def test_uncertainty_is_drawn_with_median_and_nominal(drawn: list[Any], tmp_path: Path) -> None:
    spread = {"max_isometric_force": 0.2, "generalized_force": {"coordinate_0": 0.1}}
    found = osimopt.propagate_uncertainty(problem(5), spread, samples=20)
    panels.draw_uncertainty(found, tmp_path / "bands.png")
    assert "20 samples · max_isometric_force 20 % · generalized_force by name" in drawn[0].get_suptitle()
    titles = [axes.get_title("left") for axes in drawn[0].axes]
    strongest = np.argsort(-found.solution.muscle_force.max(axis=0))
    assert titles == [f"muscle_{index}" for index in strongest]
    median, nominal = drawn[0].axes[0].lines
    np.testing.assert_array_equal(median.get_ydata(), found.muscle_force[1, :, strongest[0]])
    np.testing.assert_array_equal(nominal.get_ydata(), found.solution.muscle_force[:, strongest[0]])


def test_failed_samples_are_said_in_the_figure(drawn: list[Any], tmp_path: Path) -> None:
    weak = RedundancyProblem.from_arrays([0.05], [1000.0], [10.0, 50.0])
    found = osimopt.propagate_uncertainty(weak, {"max_isometric_force": 0.1}, samples=10, percentiles=[90.0, 10.0])
    panels.draw_uncertainty(found, tmp_path / "bands.png")
    assert f"up to {found.failed.max()} of them without a solution" in drawn[0].get_suptitle().replace("\n", " ")
    assert found.failed.max() > 0
    assert len(drawn[0].axes[0].lines) == 1, "no median was asked for"


def test_unknown_muscles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="soleus"):
        panels.draw_ranges(osimopt.feasible_ranges(problem(3)), tmp_path / "no.png", ["soleus"])
    assert not list(tmp_path.iterdir())
