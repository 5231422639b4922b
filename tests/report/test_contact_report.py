"""Contact forces in a report and in figures: what is drawn is what was computed, in N and body weights."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from contact_cases import FORCE, STRIDES, TIME, WEIGHT, bumps, made, table

from osimopt import InputError, RedundancySolution, Result, compare_contact, write_report
from osimopt.report.contact_figures import RANGE, along_of, draw_contact, draw_reactions
from osimopt.report.contact_page import contact_sections, reaction_sections
from osimopt.report.curves import Axis


@pytest.fixture(scope="module")
def solution() -> RedundancySolution:
    return made(TIME, FORCE)


@pytest.fixture
def svg_figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Figures that are drawn for a page."""
    from matplotlib.figure import Figure

    kept, save = list[Any](), Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda own, *a, **k: kept.append(own) or save(own, *a, **k))
    return kept


def words(path: Path) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", path.read_text(encoding="utf-8")).split())


def test_a_figure_of_a_comparison(solution, drawn: list[Any], tmp_path: Path) -> None:
    found = compare_contact(solution, table(FORCE + 50.0), "force", joint="knee", strides=STRIDES[:1])
    ranges = {"axial": SimpleNamespace(time=TIME, component="y", minimum=-2.0 * FORCE, maximum=-0.5 * FORCE)}
    path = draw_contact(found, tmp_path / "contact.png", ranges)
    assert path.stat().st_size > 0
    (at,) = drawn[0].axes
    lines = {line.get_label(): line.get_ydata() for line in at.lines}
    np.testing.assert_allclose(lines["simulated"], FORCE[:101])
    np.testing.assert_allclose(lines["measured"], FORCE[:101] + 50.0)
    assert at.get_ylabel() == "contact force (N)"
    assert at.get_title("right") == "RMSE 50 N, r 1.00"
    (second,) = at.child_axes
    assert second.get_ylabel() == "body weights"
    drawn[0].canvas.draw()
    assert np.multiply(second.get_ylim(), WEIGHT) == pytest.approx(at.get_ylim())
    corners = at.collections[0].get_paths()[0].vertices[:, 1]
    assert (corners.min(), corners.max()) == pytest.approx((0.5 * FORCE.min(), 2.0 * FORCE.max()))
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == [RANGE, "measured", "simulated"]
    assert "knee" in drawn[0].get_suptitle()


def test_a_page_has_both_sections(solution, tmp_path: Path) -> None:
    found = compare_contact(solution, table(FORCE + 50.0), "force", joint="knee", strides=STRIDES)
    path = write_report(solution, tmp_path / "report.html", contact=found)
    text = words(path)
    assert text.index("Agreement with measured contact forces") < text.index("Muscle forces Parts")
    assert text.index("Joint moments and reserves") < text.index("Joint contact forces")
    assert "axial 1.00 50 0.07 50 ± 0 -50 2100 / 2150 3.00 / 3.07 15 / 15" in text
    assert "Measured contact force of knee: axial: RMSE 50 N (0.07 body weights), r 1.00, bias -50 N." in text
    assert "bands: ± one standard deviation over 3 strides" in text  # the strides of the comparison
    assert path.read_text().count("body weights</text>") == 2
    assert "Solid: along the child's y axis, compression positive; dotted: norm" in text
    bare = Result.of(replace(solution, problem=replace(solution.problem, reactions=None)))
    assert reaction_sections({"bare": bare}, Axis()) == contact_sections({}, None) == []
    with pytest.raises(InputError, match="ranges beside a measured"):
        write_report(solution, tmp_path / "new.html", ranges={"axial": found})
    with pytest.raises(InputError, match="comparisons among"):
        write_report({"p = 2": solution}, tmp_path / "new.html", contact={"p = 9": found})


def test_both_sides_are_in_one_panel_and_solutions_side_by_side(solution, svg_figures: list[Any]) -> None:
    def result(scale: float) -> Result:
        both = [Result.of(made(TIME, scale * bumps(TIME + late), joint=f"knee_{side}")) for side, late in SIDES]
        tables = [one.joint_reactions for one in both]
        joined = tables[0].join(tables[1])
        about = {**both[0].summary["joint_reactions"], "joints": ["knee_r", "knee_l"], "frame": "child"}
        return replace(both[0], joint_reactions=joined, summary={**both[0].summary, "joint_reactions": about})

    one, other = result(1.0), result(0.5)
    assert along_of(one) == "along the child's y axis"
    draw_reactions({"one": one}, Axis())
    (at,) = svg_figures[0].axes
    assert at.get_title("left") == "knee"
    right, left, *dotted = (line.get_ydata() for line in sorted(at.lines, key=lambda line: line.get_ls() == ":"))
    np.testing.assert_allclose(right, FORCE)
    np.testing.assert_allclose(left, bumps(TIME + 0.5))
    np.testing.assert_allclose(dotted[0], np.hypot(1.0, 0.1) * FORCE)
    figures = draw_reactions({"one": one, "other": other}, Axis())
    assert ["Right side" in figures[0], "Left side" in figures[1]] == [True, True]
    names = [line.get_label() for line in svg_figures[1].axes[0].lines]
    assert names[:1] + names[1:2] == ["one", "other"]


SIDES = (("r", 0.0), ("l", 0.5))


def test_tension_is_not_cut(svg_figures: list[Any]) -> None:
    draw_reactions({"one": Result.of(made(TIME, FORCE - 1000.0))}, Axis())
    (at,) = svg_figures[0].axes
    assert at.get_ylim()[0] < (FORCE - 1000.0).min()


def test_a_folder_in_the_axes_of_ground(solution, tmp_path: Path, call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    solution.write("ground")
    table(FORCE + 50.0).to_csv("measured.csv")
    named = ("--measured-contact", "measured.csv", "--contact-joint", "knee", "--contact-columns")
    done = call("report", "ground", *named, "force=norm", "-o", "ground.html")
    assert done.code == 0, done.err
    assert "ground: knee, norm: RMSE 46 N (0.07 body weights), r 1.00, bias -46 N." in done.out
    assert "Agreement with measured contact forces" in words(Path("ground.html"))
    assert "Solid: vertical, compression positive" in words(Path("ground.html"))
    for more, told in (
        ((*named, "force"), "--reactions-frame child"),
        (named[:2], "--contact-joint and --contact-columns"),
        (named[2:4], "--measured-contact FILE"),
        ((*named, "force=axial,other"), "column=component"),
    ):
        done = call("report", "ground", *more, "-o", "new.html")
        assert (done.code, told in done.err) == (2, True), done.err
