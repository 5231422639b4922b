"""EMG: each fault raises its own flag and no other; onsets are where activity begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_emg_processing import bursts

from osimopt import InputError
from osimopt.emg.metrics import on_by_threshold, onsets
from osimopt.emg.processing import process_emg
from osimopt.emg.quality import flags
from osimopt.emg.read import read_emg
from osimopt.emg.recording import Emg


def kinds(emg: Emg, window: tuple[float, float] | None = None) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for flag in flags(emg, window):
        found.setdefault(flag.channel, set()).add(flag.kind)
    return found


def spoiled(how: str) -> Emg:
    emg = bursts()
    noise = np.random.default_rng(1).standard_normal(emg.value.shape)
    value = emg.value + 0.01 * noise
    a = value[:, 0]
    if how == "clipped":
        a = np.clip(a, -1.0, 1.0)
    if how == "flat":
        a[3000:3300] = 0.1
    if how == "gap":
        a[3000:3300] = np.nan
    if how == "hum":
        a = a + np.sin(2.0 * np.pi * 50.0 * emg.time)
    if how == "empty":
        a = np.full(len(emg), np.nan)
    value[:, 0] = 3.0 * value[:, 1] if how == "duplicate" else a
    return replace(emg, value=value)


def test_a_sound_recording_has_no_flags() -> None:
    assert flags(spoiled("not")) == []
    assert flags(process_emg(spoiled("not"))) == []


@pytest.mark.parametrize("how", ["clipped", "flat", "gap", "hum", "empty"])
def test_each_fault_raises_its_flag(how: str) -> None:
    assert kinds(spoiled(how)) == {"a": {how}}


def test_a_copy_is_told_of_whatever_its_amplitude() -> None:
    found = flags(spoiled("duplicate"))
    assert [(flag.channel, flag.kind) for flag in found] == [("b", "duplicate")]
    assert "a multiple of a" in found[0].text


def test_a_negative_envelope_and_a_maximum_elsewhere() -> None:
    envelope = process_emg(spoiled("not"))
    low = replace(envelope, value=envelope.value - 0.1)
    assert kinds(low) == {"a": {"negative"}, "b": {"negative"}}
    value = envelope.value.copy()
    value[500, 0] = value[5000, 1] = 5.0
    spikes = {"a": {"outside", "spike"}, "b": {"spike"}}
    assert kinds(replace(envelope, value=value), (4.0, 6.0)) == spikes
    assert kinds(replace(envelope, value=value), (20.0, 30.0)) == {name: {"outside", "spike"} for name in "ab"}
    assert list(dict.fromkeys(flag.channel for flag in flags(low))) == ["a", "b"]


def test_the_traps_of_the_public_data(real_data: Path) -> None:
    found = kinds(read_emg(real_data / "walk_treadmill_emg" / "EMG_allMuscles.sto"))
    assert "duplicate" in found["vasint_l_activation"]
    assert "negative" in found["vaslat_l_activation"]
    assert any("negative" in own for own in kinds(read_emg(real_data / "gait_9emg" / "emgFilt.sto")).values())
    walk = read_emg(real_data / "walk_80muscles" / "electromyography.sto")
    assert any("negative" in own for own in kinds(walk).values())


def test_onsets_by_threshold_leave_out_what_is_short() -> None:
    rate, time = 100.0, np.arange(400) / 100.0
    value = ((time >= 1.0) & (time < 2.0)).astype(float)[:, None]
    value[150] = 0.0  # a gap of one sample
    value[300] = 1.0  # a burst of one
    on = on_by_threshold(value, rate)
    assert onsets(on[:, 0], time) == pytest.approx([1.0])
    assert on[:, 0].sum() == 100
    with pytest.raises(InputError, match="between 0 and 1"):
        on_by_threshold(value, rate, 1.5)
