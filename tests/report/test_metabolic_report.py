"""The panel of metabolic rates: its curves are the rates, from memory and from folders; absent without parameters."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import osimopt
from osimopt import RedundancyProblem, RedundancySolution, Result
from osimopt.datasets import Example
from osimopt.report import metabolic
from osimopt.report.curves import Axis, Panel


@pytest.fixture(scope="module")
def solution(arm: Example) -> RedundancySolution:
    return osimopt.solve_static(osimopt.load_problem(arm.model, arm.motion, time_range=(0.2, 0.8)))


@pytest.fixture
def panels(monkeypatch: pytest.MonkeyPatch) -> list[Panel]:
    kept: list[Panel] = []
    draw = metabolic.draw_panels

    def keep(own: list[Panel], *words: object, **options: object) -> str:
        kept.extend(own)
        return draw(own, *words, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(metabolic, "draw_panels", keep)
    return kept


def test_curves_are_the_rates(solution: RedundancySolution, panels: list[Panel]) -> None:
    rate = osimopt.metabolic_rate(solution)
    metabolic.draw_rates({"arm": Result.of(solution)}, Axis())
    body, *groups = panels
    np.testing.assert_allclose(body.lines[0][2].mean, rate["total"], rtol=1e-12)
    assert body.subtitle == f"{rate.attrs['mean_W_per_kg']:.2f} W/kg"
    assert groups[0].title == "BIClong"
    np.testing.assert_allclose(groups[0].lines[0][2].mean, rate["BIClong"], rtol=1e-12)
    shares = [float(panel.subtitle.removesuffix(" %")) for panel in groups]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100.0, abs=3.0)


def test_pages_of_folders_and_of_several(solution: RedundancySolution, tmp_path: Path, panels: list[Panel]) -> None:
    with_rate = solution.write(tmp_path / "with", outputs="metabolic_rate")
    page = osimopt.write_report(with_rate, tmp_path / "one.html").read_text(encoding="utf-8")
    assert re.search(r"<h2[^>]*>Metabolic rate", page)
    osimopt.write_report({"a": solution, "b": solution}, tmp_path / "two.html")
    assert [name for name, _, _ in panels[-1].lines] == ["a", "b"]
    one = {"a": solution.write(tmp_path / "rates", outputs="metabolic_rate"), "b": solution.write(tmp_path / "none")}
    page = osimopt.write_report(one, tmp_path / "one_of_two.html").read_text(encoding="utf-8")
    assert "Not known of b: a folder has it where osimopt solve --outputs metabolic_rate wrote it" in page
    without = osimopt.write_report(solution.write(tmp_path / "without"), tmp_path / "none.html")
    arrays = osimopt.solve_static(RedundancyProblem.from_arrays([0.05, 0.03], [500.0, 300.0], 12.0))
    for path in (without, osimopt.write_report(arrays, tmp_path / "arrays.html")):
        assert "Metabolic rate" not in path.read_text(encoding="utf-8")
