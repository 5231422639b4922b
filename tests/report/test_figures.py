"""Figures: drawn without a warning, from one frame or from none that was solved, and nothing covers the numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import osimopt
from osimopt import RedundancyProblem, RedundancySolution
from osimopt.analysis.distribution import share_moment
from osimopt.report import figures, style
from osimopt.report.panels import draw_ranges

#: What a layout is off by.
PIXEL = 1.0


def solve(muscles: int, moments: list[float]) -> RedundancySolution:
    """Muscles of 2 cm and 100 N about one coordinate."""
    problem = RedundancyProblem.from_arrays(np.full((1, muscles), 0.02), [100.0] * muscles, np.array([moments]).T)
    return osimopt.solve_static(problem, on_failure="return")


def panels(figure: Any) -> dict[str, Any]:
    return {axes.get_title("left"): axes for axes in figure.axes}


def marked(axes: Any) -> list[list[int]]:
    """Of each line with markers, which samples have one."""
    return [list(line.get_markevery()) for line in axes.lines if line.get_marker() == "o"]


@pytest.mark.parametrize("muscles", [3, 12])
@pytest.mark.slow
def test_a_single_frame_is_a_marker(drawn: list[Any], tmp_path: Path, muscles: int) -> None:
    figures.draw_solution(solve(muscles, [1.0]), tmp_path / "one.png")
    assert marked(panels(drawn[0])["Muscle force"]) == [[0]] * muscles
    figures.draw_solution(solve(muscles, [1.0, 1.0, 99.0, 1.0, 99.0]), tmp_path / "gaps.png")
    assert marked(panels(drawn[1])["Muscle force"]) == [[3]] * muscles, "a frame between failed ones"
    figures.draw_solution(solve(muscles, [1.0, 2.0]), tmp_path / "lines.png")
    assert marked(panels(drawn[2])["Muscle force"]) == []


@pytest.mark.parametrize("muscles", [3, 12])
def test_nothing_solved_is_said(drawn: list[Any], tmp_path: Path, muscles: int) -> None:
    figures.draw_solution(solve(muscles, [99.0, 99.0]), tmp_path / "none.png")
    for title in ("Muscle force", "Activation"):
        axes = panels(drawn[0])[title]
        assert [text.get_text() for text in axes.texts] == ["no frame solved"]
        assert not axes.lines
        assert not axes.images
    assert "2 failed" in drawn[0].get_suptitle()


def test_the_map_has_a_cell_around_every_frame(drawn: list[Any], tmp_path: Path) -> None:
    figures.draw_solution(solve(12, [0.1, 0.2, 0.3]), tmp_path / "map.png")
    (image,) = panels(drawn[0])["Activation"].images
    assert image.get_extent()[:2] == pytest.approx([-0.5, 2.5])


@pytest.mark.parametrize("muscles", [3, 12])
@pytest.mark.slow
def test_legends_cover_no_axis(drawn: list[Any], tmp_path: Path, muscles: int) -> None:
    names = [f"lumbar_extension_{index}" for index in range(6)]
    problem = RedundancyProblem.from_arrays(
        np.full((6, muscles), 0.02), [100.0] * muscles, np.tile(0.1 + 0.01 * np.arange(6), (4, 1)), reserves=5.0
    )
    object.__setattr__(problem.geometry, "coordinates", tuple(names))
    figures.draw_solution(osimopt.solve_static(problem), tmp_path / "legend.png")
    axes = panels(drawn[0])["Net moment (dotted: reserves)"]
    legend = axes.get_legend().get_window_extent()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == names[::-1]
    assert legend.y1 <= axes.xaxis.get_tightbbox().y0 + PIXEL
    assert min(legend.x0, legend.y0) >= -PIXEL


def test_the_caption_says_what_was_solved(drawn: list[Any], arm, tmp_path: Path) -> None:
    problem = osimopt.load_problem(arm.model, arm.motion, time_range=(0.0, 0.1))
    figures.draw_solution(osimopt.solve_static(problem, exponent=3, tendon="compliant"), tmp_path / "arm.png")
    names = "arm26.osim · arm26_elbow_flexion.mot"
    expected = f"{names} · cost Σ a³ (activation_power, exponent 3) · compliant tendon · exact paths · 11 frames"
    assert " ".join(drawn[0].get_suptitle().split()) == expected


def test_the_caption_says_which_paths() -> None:
    kinds = [["opensim"], ["exact"], ["exact", "opensim"]]
    said = [style.paths_used({"geometry": dict(enumerate(own))}) for own in kinds]
    assert [style.paths_used({}), *said] == ["", "opensim paths", "exact paths", "exact and opensim paths"]


def test_a_caption_breaks_between_its_parts() -> None:
    with style.figure([["one"]], (4.0, 2.0)) as (figure, _):
        style.caption(figure, " · ".join(["a" * 30, "two words", "b" * 25, "c d" * 30]))
        lines = figure.get_suptitle().split("\n")
        assert lines[:2] == [f"{'a' * 30} · two words ·", f"{'b' * 25} ·"]
        assert " ".join(lines[2:]) == "c d" * 30
        figure.draw_without_rendering()
        assert figure.texts[0].get_window_extent().x1 <= figure.bbox.x1


@pytest.mark.parametrize("top", [0.01, 1.0, 2000.0])
def test_lines_at_zero_and_at_the_top_are_whole(top: float) -> None:
    with style.figure([["one"]], (3.0, 2.0)) as (_, axes):
        (line,) = axes["one"].plot([0.0, 1.0, 2.0], [0.0, top, top])
        style.from_zero(axes["one"])
        low, high = axes["one"].get_ylim()
        pixels = axes["one"].get_window_extent().height / (high - low)
        half = 0.5 * line.get_linewidth() * axes["one"].figure.dpi / 72.0
        assert -low * pixels >= half
        assert (high - top) * pixels >= half
        style.from_zero(axes["one"])
        assert axes["one"].get_ylim() == pytest.approx((low, high)), "as panels on one scale do"


def test_activation_at_its_bound_is_not_cut(drawn: list[Any], tmp_path: Path) -> None:
    figures.draw_solution(solve(3, [6.0, 6.0]), tmp_path / "bound.png")
    low, high = panels(drawn[0])["Activation"].get_ylim()
    assert low < 0.0
    assert high > 1.0


@pytest.mark.slow
def test_a_table_of_one_row_and_of_many(drawn: list[Any], arm, tmp_path: Path) -> None:
    pose = {"r_shoulder_elev": 20.0}
    figures.draw_table(osimopt.muscle_table(arm.model, "r_elbow_flex", values=[90.0], pose=pose), tmp_path / "one.png")
    assert all(len(marked(axes)) == 6 for axes in drawn[0].axes)
    assert "elastic tendon, passive included" in panels(drawn[0])["Maximum force"].get_ylabel()
    assert drawn[0].get_suptitle() == "arm26.osim · at rest and full activation · r_shoulder_elev 20"
    table = osimopt.muscle_table(arm.model, "r_elbow_flex", n=5)
    figures.draw_table(table, tmp_path / "many.png")
    assert not any(marked(axes) for axes in drawn[1].axes)
    figures.draw_sharing(share_moment(table, 20.0, ("BIClong", "BRA")), tmp_path / "shares.png")
    assert all(axes.get_axisbelow() is True for axes in drawn[2].axes), "no grid over the areas"


def test_bands_of_a_single_frame(drawn: list[Any], tmp_path: Path) -> None:
    draw_ranges(osimopt.feasible_ranges(solve(3, [1.0]).problem), tmp_path / "one.png")
    bars = [c for c in drawn[0].axes[0].collections if hasattr(c, "get_segments") and len(c.get_segments())]
    assert len(bars) == 1
