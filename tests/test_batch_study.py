"""Study files and the jobs they make: everything wrong at once, with its place and what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from osimopt import ConfigError
from osimopt.batch.jobs import Hashes, jobs_of
from osimopt.batch.study import read_study

STUDY = """
[defaults]
lowpass_hz = 6.0
external_loads = "{subject}/loads/{trial}.xml"

[[subjects]]
name = "S1"
model = "S1/arm26.osim"
motions = "S1/ik/*.mot"
[subjects.trials.b]
time_range = [0.2, 0.8]
reserves = "none"

[[methods]]
name = "p2"
[[methods]]
name = "slow"
method = "dynamic"
tendon = "rigid"

[run]
jobs = 2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "S1" / "ik").mkdir(parents=True)
    (tmp_path / "S1" / "arm26.osim").write_text("<model/>")
    for name in ("a", "b"):
        (tmp_path / "S1" / "ik" / f"{name}.mot").write_text(name)
    return tmp_path


def written(folder: Path, text: str = STUDY) -> Path:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_jobs(folder: Path) -> None:
    jobs = jobs_of(read_study(written(folder)))
    assert [job.name for job in jobs] == ["S1/a/p2", "S1/a/slow", "S1/b/p2", "S1/b/slow"]
    first, last = jobs[0], jobs[-1]
    assert first.files["external_loads"] == str(folder / "S1" / "loads" / "a.xml")
    assert first.read == {"lowpass_hz": 6.0}
    assert first.solve == {"method": "static", "cost": "activation_power", "exponent": 2.0, "tendon": "rigid",
                           "solver": "auto"}  # fmt: skip
    assert last.read == {"lowpass_hz": 6.0, "time_range": (0.2, 0.8), "reserves": "none"}
    assert last.solve["method"] == "dynamic"


def test_events_are_jobs_of_their_own(folder: Path) -> None:
    (folder / "events.csv").write_text("trial,start,end\na,0.1,0.5\na,0.6,0.9\nb,0,1\n")
    text = STUDY.replace('motions = "S1/ik/*.mot"', 'motions = ["S1/ik/*.mot"]\nevents = "events.csv"')
    jobs = [job for job in jobs_of(read_study(written(folder, text))) if job.method == "p2"]
    assert [(job.trial, job.read["time_range"]) for job in jobs] == [
        ("a 1", (0.1, 0.5)), ("a 2", (0.6, 0.9)), ("b", (0.0, 1.0))
    ]  # fmt: skip


def test_keys_change_with_what_decides_a_result(folder: Path) -> None:
    path = written(folder)
    before = {job.name: job.key(Hashes()) for job in jobs_of(read_study(path))}
    assert len(set(before.values())) == 4
    path = written(folder, STUDY.replace("jobs = 2", "jobs = 1\nmemory_mb = 9000"))
    assert {job.name: job.key(Hashes()) for job in jobs_of(read_study(path))} == before, "how it is run changes nothing"
    (folder / "S1" / "ik" / "a.mot").write_text("another")
    after = {job.name: job.key(Hashes()) for job in jobs_of(read_study(path))}
    assert {name for name in before if after[name] != before[name]} == {"S1/a/p2", "S1/a/slow"}
    path = written(folder, STUDY.replace("lowpass_hz = 6.0", "lowpass_hz = 8.0"))
    assert not set(before.values()) & {job.key(Hashes()) for job in jobs_of(read_study(path))}


def test_everything_wrong_at_once(folder: Path) -> None:
    text = """
[[subjects]]
name = "S/1"
modle = "a.osim"
motions = "*.mot"
lowpass_hz = -1
[[methods]]
name = "p"
exponnet = 3
[[methods]]
name = "q"
cost = "activation_powr"
[run]
jobs = 0
"""
    with pytest.raises(ConfigError) as raised:
        read_study(written(folder, text))
    said = str(raised.value)
    for words in (
        "7 things are wrong", "subjects.1.name", "subjects.1.modle: no such entry. Did you mean model?",
        "subjects.1.model", "subjects.1.lowpass_hz", "methods.1.exponnet: no such entry. Did you mean exponent?",
        "methods.2", "a cost among", "run.jobs",
    ):  # fmt: skip
        assert words in said, words


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "slow"', 'name = "p2"', "different names"), ('method = "dynamic"', 'method = "dynamik"', "methods.2"),
        ("[[subjects]]", "[subject]", "subjects"), ("[defaults]", "[default]", "Did you mean defaults"),
        ("lowpass_hz = 6.0", "lowpass_hz = ", "Invalid|invalid"),
    ],
)  # fmt: skip
def test_a_study_that_is_wrong(folder: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_study(written(folder, STUDY.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("S1/arm26.osim", "S1/none.osim", "no such file"), ("S1/ik/*.mot", "S1/*.mot", "none that match"),
        ("[subjects.trials.b]", "[subjects.trials.z]", "no such motions"), ("{trial}.xml", "{trail}.xml", "filled in"),
        ("lowpass_hz = 6.0", 'emg = "{trial}.sto"', r"no \[emg\]"),
        ('model = "S1', 'events = "none.csv"\nmodel = "S1', "trial, start, end"),
    ],
)  # fmt: skip
def test_files_that_are_not_there(folder: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        jobs_of(read_study(written(folder, STUDY.replace(old, new, 1))))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_study(tmp_path / "study.toml")


def test_the_example_is_a_study(tmp_path: Path) -> None:
    import osimopt.batch

    example = Path(osimopt.batch.__file__).with_name("example.toml").read_text(encoding="utf-8")
    study = read_study(written(tmp_path, example))
    assert [method.name for method in study.methods] == ["p2", "p3"]
