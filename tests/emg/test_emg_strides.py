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
    assert "3 of 7 strides left out" in found.notes()[-1]
    assert "about two strides" in found.notes()[-1]


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
        (("ground_force_vy",), "l", "ground_force_vy"),
        (("calcn_r_force_vy", "calcn_l_force_vy"), "l", "calcn_l_force_vy"),
        (("FP_left_Fz", "FP_right_Fz"), "r", "FP_right_Fz"),
        (("LeftFoot_Fy", "RightFoot_Fy"), "l", "LeftFoot_Fy"),
    ],
)
def test_columns_by_side(names: tuple[str, ...], side: str | None, chosen: str) -> None:
    table = pd.concat([loads([1.0, 2.1, 3.2], name) for name in names], axis=1)
    assert find_strides(table, side).column == chosen  # type: ignore[arg-type]


def test_what_has_no_strides(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Name its column"):
        find_strides(pd.concat([loads([1.0, 2.0], "a_vy"), loads([1.0, 2.0], "b_vy")], axis=1), "r")
    with pytest.raises(InputError, match="no column that ends in vy"):
        find_strides(loads([1.0, 2.0], "Mz"), "r")
    with pytest.raises(InputError, match="one whole stride"):
        find_strides(loads([1.0]), "r")
    with pytest.raises(InputError, match="got Fz"):
        find_strides(loads([1.0, 2.0]), column="Fz")
    with pytest.raises(InputError, match="no such file"):
        find_strides(tmp_path / "none.mot", "r")


PERIOD = 0.7


def running(
    count: int = 16, speed_up: float = 0.0, lost: int | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, list[float]]:
    """Both feet on one plate, 0.22 s each, in turn; hips and knees of a runner; true contacts of the right foot.

    Strides get shorter by ``speed_up`` from the first to the last; the plate misses contact ``lost`` of the right foot.
    """
    periods = PERIOD * (1.0 - speed_up * np.arange(count) / (count - 1))
    right = 0.4 + np.concatenate([[0.0], np.cumsum(periods)])
    left = right[:-1] + 0.5 * periods
    time = np.arange(int(200.0 * (right[-1] + 0.5))) / 200.0
    begins = np.sort(np.concatenate([right, left]))
    begins = begins if lost is None else begins[begins != right[lost]]
    phase = time - begins[:, None]
    on = (phase > 0.0) & (phase < 0.22)
    force = np.where(on, 1500.0 * np.sin(np.pi * np.clip(phase, 0.0, 0.22) / 0.22), 0.0).sum(axis=0)
    stride = np.interp(time, right, np.arange(count + 1), left=-1.0) % 1.0
    hips = {f"hip_flexion_{s}": 20.0 + 30.0 * np.cos(2.0 * np.pi * (stride - p)) for s, p in (("r", -0.1), ("l", 0.4))}
    knees = {f"knee_angle_{s}": 50.0 - 40.0 * np.cos(2.0 * np.pi * (stride - p)) for s, p in (("r", 0.0), ("l", 0.5))}
    motion = pd.DataFrame({**hips, **knees, "pelvis_tx": 3.0 * time}, index=pd.Index(time, name="time"))
    return pd.DataFrame({"ground_force_vy": force}, index=pd.Index(time, name="time")), motion, right.tolist()


@pytest.mark.parametrize(("side", "first"), [("r", 0), ("l", 1)])
@pytest.mark.parametrize("speed_up", [0.0, 0.2])
def test_running_on_one_plate(side: str, first: int, speed_up: float) -> None:
    """All true strides, no step, also where speed changes by 20 %."""
    table, motion, right = running(speed_up=speed_up)
    found = find_strides(table, side, motion=motion)  # type: ignore[arg-type]
    begins = np.array(right) if side == "r" else np.array(right[:-1]) + 0.5 * np.diff(right)
    assert np.array(found.times)[:, 0] == pytest.approx(begins[:-1], abs=5e-3)
    assert np.array(found.times)[:, 1] == pytest.approx(begins[1:], abs=5e-3)
    assert found.left_out == ()
    assert "Both feet meet this plate" in found.notes()[0]
    assert first in (0, 1)


def test_a_lost_contact_costs_one_span_and_no_parity() -> None:
    table, motion, right = running(lost=6)
    found = find_strides(table, "r", motion=motion)
    assert len(found) == len(right) - 3
    (span,) = found.left_out
    assert span == pytest.approx((right[5], right[7]), abs=5e-3)
    assert "a contact is missing" in found.reasons[0]


def test_without_a_motion_nothing_is_claimed() -> None:
    table, _, _ = running()
    assert "Neither a motion nor the other foot" in find_strides(table, "r").notes()[0]


def test_strides_that_get_slower_are_kept() -> None:
    """Durations from 1 to 1.5 s: each is within 15 % of its neighbours, not of the median of all."""
    begins = (0.5 + np.cumsum(np.concatenate([[0.0], np.linspace(1.0, 1.5, 8)]))).tolist()
    assert find_strides(loads(begins), "r").left_out == ()


def test_a_foot_that_lands_twice() -> None:
    table = loads([0.5 + 1.1 * place for place in range(9)])
    at = table.index.to_numpy()
    table.iloc[(at > 3.95) & (at < 4.1)] = 0.0  # the third contact is cut in two by 150 ms
    found = find_strides(table, "r")
    assert len(found) == 8
    assert "landed twice" in found.notes()[1]


def test_the_other_foot_checks_strides() -> None:
    """Without the other foot between two contacts this is no stride."""
    right, left = [0.5 + 1.1 * place for place in range(9)], [1.05 + 1.1 * place for place in range(8)]
    both = pd.concat([loads(right), loads([*left[:3], *left[4:]], "ground_force_l_vy")], axis=1)
    found = find_strides(both, "r")
    assert found.reasons == ("the other foot does not land within it",)
    assert found.left_out[0] == pytest.approx((right[3], right[4]), abs=0.01)


def test_running_like_public_data(real_data: Path) -> None:
    """A treadmill walk whose stances are cut to 45 %, both feet summed into one column: the strides of two plates."""
    from osimopt.files.series import merged
    from osimopt.files.storage import read_columns

    path = real_data / "walk_treadmill_emg" / "walking_baseline1_forces.mot"
    with pytest.warns(UserWarning, match="the header declares"):
        table = read_columns(path)
    names = [name for name in table.columns if name.endswith("vy")]
    table = merged(table[names], names, path)
    time, cut = table.index.to_numpy(), {}
    for name in names:
        force = table[name].to_numpy().copy()
        begins = contacts(time, force)
        last = np.searchsorted(begins, time, side="right") - 1
        away = np.where(last >= 0, time - begins[np.maximum(last, 0)], np.inf)
        cut[name] = np.where(away < 0.45, force, 0.0) * (away < 0.45)
    one = pd.DataFrame({"ground_force_vy": np.sum(list(cut.values()), axis=0)}, index=table.index)
    motion = real_data / "walk_treadmill_emg" / "results_ik.sto"
    for side in ("r", "l"):
        whole = find_strides(table, side, motion=motion)  # type: ignore[arg-type]
        found = find_strides(one, side, motion=motion)  # type: ignore[arg-type]
        assert len(whole) >= 50
        np.testing.assert_allclose(np.array(found.times), np.array(whole.times), atol=0.02)
