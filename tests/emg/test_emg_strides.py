"""Strides from loads: contacts between samples, odd strides left out, columns chosen by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from osimopt import InputError
from osimopt.emg.strides import ON_GROUND, contacts, find_strides


def loads(begins: list[float], name: str = "ground_force_r_vy", rate: float = 200.0) -> pd.DataFrame:
    """A foot that is on the ground for 0.6 s from each time on."""
    time = np.arange(int(12.0 * rate)) / rate
    phase = np.stack([time - begin for begin in begins])
    force = np.where((phase > 0.0) & (phase < 0.6), 800.0 * np.sin(np.pi * np.clip(phase, 0.0, 0.6) / 0.6), 0.0)
    return pd.DataFrame({name: force.sum(axis=0)}, index=pd.Index(time, name="time"))


def test_strides_are_from_contact_to_contact() -> None:
    begins = [0.5 + 1.1 * place for place in range(9)]
    found = find_strides(loads(begins), "r")
    rise = 0.6 / np.pi * np.arcsin(ON_GROUND / 800.0)
    assert np.asarray(found.times)[:, 0] == pytest.approx(np.array(begins[:-1]) + rise, abs=1e-3)
    assert len(found) == 8
    assert found.left_out == ()


def test_a_step_on_the_wrong_plate_is_left_out() -> None:
    begins = [0.5, 1.6, 2.7, 3.6, 5.0, 6.1, 7.2, 9.4]
    found = find_strides(loads(begins), "r")
    assert len(found.left_out) == 3
    assert "3 of 7 strides left out" in found.notes()[0]


def test_noise_of_a_plate_is_no_contact() -> None:
    table = loads([1.0, 2.1, 3.2])
    table.iloc[40:44] = 25.0  # 20 ms
    table.iloc[260:263] = 0.0  # within a contact
    assert len(contacts(table.index.to_numpy(), table.iloc[:, 0].to_numpy())) == 3


@pytest.mark.parametrize(
    ("names", "side", "chosen"),
    [
        (("l_ground_force_vy", "ground_force_vy"), "r", "ground_force_vy"),
        (("ground_force_vy", "1_ground_force_vy"), "l", "1_ground_force_vy"),
        (("ground_force_r_vy", "ground_force_l_vy"), "l", "ground_force_l_vy"),
        (("ground_force_vy",), None, "ground_force_vy"),
    ],
)
def test_columns_by_side(names: tuple[str, ...], side: str | None, chosen: str) -> None:
    table = pd.concat([loads([1.0, 2.1, 3.2], name) for name in names], axis=1)
    assert find_strides(table, side).column == chosen  # type: ignore[arg-type]


def test_what_has_no_strides(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Name its column"):
        find_strides(pd.concat([loads([1.0, 2.0], "a_vy"), loads([1.0, 2.0], "b_vy")], axis=1), "r")
    with pytest.raises(InputError, match="no column that ends in vy"):
        find_strides(loads([1.0, 2.0], "Fz"), "r")
    with pytest.raises(InputError, match="one whole stride"):
        find_strides(loads([1.0]), "r")
    with pytest.raises(InputError, match="got Fz"):
        find_strides(loads([1.0, 2.0]), column="Fz")
    with pytest.raises(InputError, match="no such file"):
        find_strides(tmp_path / "none.mot", "r")
