"""EMG: channels to muscles, by file and by preset; names that are wrong are refused with those that were meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from osimopt import ConfigError, InputError
from osimopt.emg.mapping import PRESETS, EmgMapping, recognise, unknown


@pytest.mark.parametrize(
    ("channel", "muscle", "side"),
    [
        ("soleus_r", "soleus", "r"), ("EMG_SOL_L", "soleus", "l"),
        ("gasmed_l_activation", "gastrocnemius medialis", "l"),
        ("medial_hamstrings", "medial hamstrings", None), ("Right Tibialis Anterior", "tibialis anterior", "r"),
        ("vastus_medius", "vastus medialis", None), ("rect_fem_r", "rectus femoris", "r"), ("Force.Fz1", "", None),
        ("glmed", "gluteus medius", None), ("r_vl", "vastus lateralis", "r"),
    ],
)  # fmt: skip
def test_channels_are_recognised(channel: str, muscle: str, side: str | None) -> None:
    assert recognise(channel) == (muscle, side)


def test_a_preset_with_sides() -> None:
    mapping = EmgMapping.preset("Rajagopal2016", ["gluteus_medius", "soleus_l", "Fz"], side="r")
    assert mapping.muscles == {"gluteus_medius": ("glmed1_r", "glmed2_r", "glmed3_r"), "soleus_l": ("soleus_l",)}
    assert EmgMapping.preset("arm26", ["biceps"]).muscles == {"biceps": ("BIClong", "BICshort")}
    with pytest.raises(InputError, match="side of channel soleus"):
        EmgMapping.preset("gait2392", ["soleus"])
    with pytest.raises(InputError, match="Did you mean gait2392"):
        EmgMapping.preset("gait2932", ["soleus_r"])
    with pytest.raises(InputError, match="mapping file"):
        EmgMapping.preset("arm26", ["soleus_r"])


def test_a_mapping_file(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text('[channels]\nsoleus = ["soleus_r"]\ngmed = ["glmed1_r", "glmed2_r"]\nta = "tibant_r"\n')
    mapping = EmgMapping.read(path)
    assert mapping.muscles["gmed"] == ("glmed1_r", "glmed2_r")
    assert mapping.muscles["ta"] == ("tibant_r",)
    table = mapping.coverage(
        ["soleus", "gmed", "ta", "vl"], ["soleus_r", "glmed1_r", "glmed2_r", "tibant_r", "psoas_r"]
    )
    assert table[table.channel == ""].muscle.tolist() == ["psoas_r"]
    assert table[table.muscle == ""].channel.tolist() == ["vl"]
    assert len(table) == 6


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[channels]\nsoleus = 3\n", "names of muscles"), ("[channel]\nsoleus = 'a'\n", r"table \[channels\]"),
        ("channels\n", "TOML"), ("[channels]\nsoleus = ['a', 'a']\n", "once"), ("[channels]\nsoleus = []\n", "names"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "map.toml").write_text(text)
    with pytest.raises(ConfigError, match=says):
        EmgMapping.read(tmp_path / "map.toml")
    with pytest.raises(ConfigError, match="no such file"):
        EmgMapping.read(tmp_path / "none.toml")


def test_unknown_names_are_refused_with_what_was_meant() -> None:
    mapping = EmgMapping({"soleus": ("solues_r",)})
    with pytest.raises(InputError, match="Did you mean soleus_r"):
        mapping.check(["soleus"], ["soleus_r", "tibant_r"])
    with pytest.raises(InputError, match="Did you mean soleus"):
        EmgMapping({"soleu": ("soleus_r",)}).check(["soleus"], ["soleus_r"])
    EmgMapping({"soleus": ("soleus_r",)}).check(["soleus"], ["soleus_r"])


def test_presets_name_the_muscles_of_the_models(real_data: Path) -> None:
    for preset, file in (
        ("gait2392", "gait_9emg/gait2392.osim"), ("Rajagopal2016", "walk_80muscles/subject_walk_scaled.osim"),
        ("gait10dof18musc", "walk_18muscles/subject_walk_armless_18musc.osim"), ("arm26", "arm26/arm26.osim"),
    ):  # fmt: skip
        text = (real_data / file).read_text(encoding="utf-8", errors="replace")
        for names in PRESETS[preset].values():
            for name in names:
                for side in "rl":
                    assert f'Muscle name="{name.format(side=side)}"' in text, (preset, name)


@pytest.mark.parametrize(
    ("channel", "muscle", "side"),
    [
        ("RTA", "tibialis anterior", "r"), ("TAr", "tibialis anterior", "r"), ("EMG R TA", "tibialis anterior", "r"),
        ("Voltage.LSOL", "soleus", "l"), ("Right TA", "tibialis anterior", "r"),
        ("Trigno 4: R VL", "vastus lateralis", "r"),
        ("PerL", "peroneus longus", None), ("AddL", "adductor longus", None), ("GluMed", "gluteus medius", None),
        ("HamL", "biceps femoris", None), ("VL (mV)", "vastus lateralis", None), ("EMG1_RBF", "biceps femoris", "r"),
        ("Sensor 3.EMG 3", "", None), ("GM", "", None), ("GL", "", None),
    ],
)  # fmt: skip
def test_names_that_labs_use(channel: str, muscle: str, side: str | None) -> None:
    assert recognise(channel, [channel]) == (muscle, side)


def test_names_of_several_meanings() -> None:
    """GM and GL are the gastrocnemii as a pair; HamL has a side where there is a HamR."""
    pair = ["GM", "GL", "TA"]
    assert [recognise(name, pair)[0] for name in pair[:2]] == ["gastrocnemius medialis", "gastrocnemius lateralis"]
    assert recognise("GM", ["GM", "GL", "GasMed"]) == ("", None)
    assert [recognise(name, ["HamL", "HamR"]) for name in ("HamL", "HamR")] == [
        ("hamstrings", "l"),
        ("hamstrings", "r"),
    ]
    assert unknown(["GM", "foo", "TA"], ["TA"]) == [
        "GM (gastrocnemius medialis or gluteus medius or gluteus maximus?)", "foo"
    ]  # fmt: skip
