"""Models with other muscle parameters: OpenSim reads the new values, and nothing else has changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import TwoLeg

import osimopt
from osimopt import InputError, ModelError, isolation
from osimopt.calibration.parameters import strain_of, with_strain

PLAIN = ("max_isometric_force", "optimal_fiber_length", "tendon_slack_length")


def drawn(own: Any) -> dict[str, dict[str, float]]:
    random = np.random.default_rng(0)
    values = {kind: getattr(own, kind) * np.exp(0.1 * random.standard_normal(len(own.names))) for kind in PLAIN}
    values["tendon_strain"] = strain_of(own) * 1.2
    return {k: {n: float(v) for n, v in zip(own.names, of, strict=True) if v == v} for k, of in values.items()}


def same_muscles(model: Path, motion: Path, folder: Path, **read: Any) -> None:
    own = osimopt.load_problem(model, motion, **read).parameters
    values = drawn(own)
    out = osimopt.write_calibrated_model(model, values, folder / "calibrated.osim")
    found = osimopt.load_problem(out, motion, **read).parameters
    for kind in PLAIN:
        np.testing.assert_allclose(getattr(found, kind), list(values[kind].values()), rtol=1e-12)
    factor = np.where(np.isfinite(strain_of(own)), 1.2, 1.0)
    expected = with_strain(replace(own, **{kind: getattr(found, kind) for kind in PLAIN}), factor)
    assert found.properties.keys() == expected.properties.keys()
    for name, value in expected.properties.items():
        np.testing.assert_allclose(found.properties[name], value, rtol=1e-12, err_msg=name)


def test_every_class(two_leg: TwoLeg, tmp_path: Path) -> None:
    same_muscles(two_leg.model, two_leg.motion, tmp_path, external_loads=two_leg.loads)


def test_public_models(real_data: Path, tmp_path: Path) -> None:
    walk = real_data / "knee_implant"
    isolation.close("opensim")  # three large models in one old process: loky would replace it, with a warning
    same_muscles(walk / "GC5.osim", walk / "GC5_ss1.mot", tmp_path, time_range=(0.5, 0.55))


def test_nothing_else_changes(arm: Any, tmp_path: Path) -> None:
    """The file without any value, and with one, differ in that value alone."""
    files = [
        osimopt.write_calibrated_model(arm.model, values, tmp_path / f"{number}.osim")
        for number, values in enumerate(({}, {"max_isometric_force": {"BRA": 1100.0}}))
    ]
    lines = [path.read_text(encoding="utf-8").splitlines() for path in files]
    changed = [(a.strip(), b.strip()) for a, b in zip(*lines, strict=True) if a != b]
    assert len(changed) == 1
    assert "<max_isometric_force>1100</max_isometric_force>" in changed[0][1]
    assert ElementTree.parse(files[1]).getroot().tag == "OpenSimDocument"


def test_errors_come_before_anything_is_written(arm: Any, tmp_path: Path) -> None:
    out = tmp_path / "out.osim"
    wrong: list[tuple[Any, type[Exception], str]] = [
        ({"strength": {}}, InputError, "parameters"),
        ({"max_isometric_force": {"BRA": -1.0}}, InputError, "max_isometric_force of 'BRA' above 0, got -1"),
        ({"max_isometric_force": {"BRA": float("nan")}}, InputError, "above 0, got nan"),
        ({"max_isometric_force": {"BRACH": 1.0}}, ModelError, "no 'BRACH' among 6"),
    ]
    for values, kind, message in wrong:
        with pytest.raises(kind, match=message):
            osimopt.write_calibrated_model(arm.model, values, out)
    assert not out.exists()
    with pytest.raises(InputError, match="ends in"):
        osimopt.write_calibrated_model(arm.model, {}, tmp_path / "out.xml")
    copy = tmp_path / "model.osim"
    copy.write_bytes(Path(arm.model).read_bytes())
    with pytest.raises(InputError, match="the model itself"):
        osimopt.write_calibrated_model(copy, {}, copy, overwrite=True)
    osimopt.write_calibrated_model(copy, {}, out)
    with pytest.raises(InputError, match="one that exists"):
        osimopt.write_calibrated_model(copy, {}, out)
