"""Study files and the jobs they make: everything wrong at once, with its place and what was meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from osimopt import ConfigError
from osimopt.adapters.load import VERSIONS
from osimopt.batch import runner
from osimopt.batch.jobs import content_hash, jobs_of, versions
from osimopt.batch.journal import Journal
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
    assert first.solve == {"method": "static"}
    assert last.read == {"lowpass_hz": 6.0, "time_range": (0.2, 0.8), "reserves": "none"}
    assert last.solve["method"] == "dynamic"


def test_parts_of_the_body(folder: Path) -> None:
    part = 'coordinates = ["hip_*_l", "knee_angle_l"]\nmuscles = "left"\nleft_out = "residuals"\n'
    text = STUDY.replace("lowpass_hz = 6.0\n", f"lowpass_hz = 6.0\n{part}", 1)
    first = jobs_of(read_study(written(folder, text)))[0]
    assert first.read["coordinates"] == ("hip_*_l", "knee_angle_l")
    assert (first.read["muscles"], first.read["left_out"]) == ("left", "residuals")
    before = jobs_of(read_study(written(folder)))[0]
    assert first.key(content_hash) != before.key(content_hash)


@pytest.mark.parametrize("cutoff", ['"motion"', "20.0"])
def test_the_cutoff_of_loads_is_a_number_or_a_word(folder: Path, cutoff: str) -> None:
    text = STUDY.replace("lowpass_hz = 6.0", f"lowpass_hz = 6.0\nlowpass_loads_hz = {cutoff}")
    assert {str(job.read["lowpass_loads_hz"]) for job in jobs_of(read_study(written(folder, text)))} == {
        cutoff.strip('"')
    }


def test_events_are_jobs_of_their_own(folder: Path) -> None:
    (folder / "events.csv").write_text("trial,start,end\na,0.1,0.5\na,0.6,0.9\nb,0,1\n")
    text = STUDY.replace('motions = "S1/ik/*.mot"', 'motions = ["S1/ik/*.mot"]\nevents = "events.csv"')
    jobs = [job for job in jobs_of(read_study(written(folder, text))) if job.method == "p2"]
    assert [(job.trial, job.read["time_range"]) for job in jobs] == [
        ("a 1", (0.1, 0.5)), ("a 2", (0.6, 0.9)), ("b", (0.0, 1.0))
    ]  # fmt: skip


def test_keys_change_with_what_decides_a_result(folder: Path) -> None:
    path = written(folder)
    before = {job.name: job.key(content_hash) for job in jobs_of(read_study(path))}
    assert len(set(before.values())) == 4
    path = written(folder, STUDY.replace("jobs = 2", "jobs = 1\nmemory_mb = 9000"))
    assert {job.name: job.key(content_hash) for job in jobs_of(read_study(path))} == before, (
        "how it is run changes nothing"
    )
    (folder / "S1" / "ik" / "a.mot").write_text("another")
    after = {job.name: job.key(content_hash) for job in jobs_of(read_study(path))}
    assert {name for name in before if after[name] != before[name]} == {"S1/a/p2", "S1/a/slow"}
    path = written(folder, STUDY.replace("lowpass_hz = 6.0", "lowpass_hz = 8.0"))
    assert not set(before.values()) & {job.key(content_hash) for job in jobs_of(read_study(path))}


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
        "7 entries are wrong", "subjects.1.name", "subjects.1.modle: no such entry. Did you mean model?",
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
        ("lowpass_hz = 6.0", "lowpass_loads_hz = -1", "defaults.lowpass_loads_hz.*greater than 0"),
        ("lowpass_hz = 6.0", 'lowpass_loads_hz = "walk"', "defaults.lowpass_loads_hz.*'motion'"),
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
        ("lowpass_hz = 6.0", 'geometry = "paths.xml"', r"paths\.xml: expected the geometry, got no such file"),
        ("lowpass_hz = 6.0", 'speeds = "speeds.sto"', r"speeds\.sto: expected the speeds"),
        ("lowpass_hz = 6.0", 'force_sets = ["a.xml"]', r"a\.xml: expected the force set 1"),
        ('method = "dynamic"\ntendon = "rigid"', 'method = "surrogate"\nfolder = "n"', "n: expected the surrogate"),
        ('model = "S1', 'events = "none.csv"\nmodel = "S1', "trial, start, end"),
    ],
)  # fmt: skip
def test_files_that_are_not_there(folder: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        jobs_of(read_study(written(folder, STUDY.replace(old, new, 1))))


@pytest.mark.parametrize(
    ("emg", "says"),
    [
        ("{ weigth = 10.0 }", "methods.2: .*weigth.*Did you mean weight"),
        ('{ mode = "follow" }', "methods.2: .*mode among track, bound, got 'follow'"),
        ("{ weight = -1.0 }", "methods.2: .*weight of EMG tracking"),
        ('{ weight = "much" }', "methods.2: .*weight of EMG tracking"),
        ("{ scale = [2.0, 1.0] }", "methods.2: .*lower ≤ upper scale"),
        ('{ mode = "bound", width = -0.1 }', "methods.2: .*bounds below and above the EMG"),
        ('{ mode = "bound", weight = 2.0 }', "methods.2: .*no weight with mode 'bound'"),
        ("{ width = 0.2 }", "methods.2: .*no width with mode 'track'"),
        ('{ weight = 10.0 }', r"an \[emg\] with a mapping for emg of the methods slow"),
    ],
)  # fmt: skip
def test_emg_of_a_method_is_checked_before_any_job(folder: Path, emg: str, says: str) -> None:
    """Without [emg] unless something else is wrong; the same with it is right."""
    text = STUDY.replace('tendon = "rigid"', f'tendon = "rigid"\nemg = {emg}')
    mapped = '\n[emg]\nmapping = "arm26"\n' if "[emg" not in says else ""
    with pytest.raises(ConfigError, match=says):
        read_study(written(folder, text + mapped))


def test_a_method_that_tracks_needs_emg_of_every_trial(folder: Path) -> None:
    text = STUDY.replace('tendon = "rigid"', 'tendon = "rigid"\nemg = { weight = 10.0 }')
    text += '\n[emg]\nmapping = "arm26"\n'
    with pytest.raises(ConfigError, match="EMG of S1/a for the method slow"):
        jobs_of(read_study(written(folder, text)))
    tracked = text.replace("[defaults]", '[defaults]\nemg = "{trial}.emg"')
    assert jobs_of(read_study(written(folder, tracked)))[1].solve["emg"] == {"weight": 10.0}


LOADS = "<OpenSimDocument><ExternalLoads><datafile>{}</datafile></ExternalLoads></OpenSimDocument>"
EVERYTHING = """
[defaults]
external_loads = "loads/{trial}.xml"
speeds = "speeds.sto"
geometry = "paths.xml"
force_sets = ["more.xml", "{subject}/own.xml"]
emg = "{trial}.emg"
strides = "{trial}.grf"

[[subjects]]
name = "S1"
model = "S1/arm26.osim"
motions = "S1/ik/*.mot"
events = "events.csv"

[[methods]]
name = "net"
method = "surrogate"
folder = "network"

[emg]
mapping = "map.toml"
"""
#: Every file that decides a job of EVERYTHING, by what the job calls it, and what is in it.
NAMED = {
    "model": ("S1/arm26.osim", "<model/>"), "motion": ("S1/ik/a.mot", "a"),
    "external_loads": ("loads/a.xml", LOADS.format("forces.mot")), "external_loads_data": ("loads/forces.mot", "1"),
    "speeds": ("speeds.sto", "2"), "geometry": ("paths.xml", "3"), "geometry_fit": ("paths.fit.toml", "4"),
    "force_set_1": ("more.xml", "5"), "force_set_2": ("S1/own.xml", "6"), "emg": ("a.emg", "7"),
    "strides": ("a.grf", "8"), "mapping": ("map.toml", "9"), "surrogate": ("network/deep/weights", "10"),
}  # fmt: skip


@pytest.fixture
def everything(folder: Path) -> Path:
    """A study that names a file by every option that can."""
    for path, content in NAMED.values():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    (folder / "events.csv").write_text("trial,start,end\na,0.1,0.5\n")
    return written(folder, EVERYTHING)


def key(path: Path) -> str:
    (job,) = jobs_of(read_study(path))
    return job.key(content_hash)


def test_every_option_that_names_a_file_is_one_of_the_job(everything: Path) -> None:
    (job,) = jobs_of(read_study(everything))
    places = {what: everything.parent / path for what, (path, _) in NAMED.items()}
    places["surrogate"] = everything.parent / "network"
    assert {what: Path(path) for what, path in job.files.items()} == places
    assert job.read == {"time_range": (0.1, 0.5)}, "paths are files, not options"


@pytest.mark.parametrize("what", [*NAMED, "events"])
def test_the_content_of_every_file_is_in_the_key(everything: Path, what: str) -> None:
    """What changes in place, under the same name, must be done again by --resume."""
    before = key(everything)
    path = everything.parent / ("events.csv" if what == "events" else NAMED[what][0])
    changed = {"external_loads": LOADS.format("./forces.mot"), "events": "trial,start,end\na,0.1,0.6\n"}
    path.write_text(changed.get(what, "changed"))
    assert key(everything) != before
    path.write_text("trial,start,end\na,0.1,0.5\n" if what == "events" else NAMED[what][1])
    assert key(everything) == before


def test_all_missing_files_at_once(everything: Path) -> None:
    for name in ("speeds.sto", "paths.xml", "more.xml", "map.toml"):
        (everything.parent / name).unlink()
    with pytest.raises(ConfigError) as raised:
        jobs_of(read_study(everything))
    said = str(raised.value)
    assert "4 wrong" in said
    assert all(name in said for name in ("speeds.sto", "paths.xml", "more.xml", "map.toml"))


def test_files_of_a_pattern_are_their_jobs_own(everything: Path, call) -> None:
    """Of hundreds of trials one may lack its loads: that is a row. --dry-run lists it before."""
    (everything.parent / "loads" / "forces.mot").unlink()
    (everything.parent / "a.emg").unlink()
    assert len(jobs_of(read_study(everything))) == 1
    done = call("batch", everything, "--dry-run")
    assert done.code == 0
    assert "emg, external_loads_data" in " ".join(done.out.split())
    assert "2 files of jobs are missing" in done.err


def test_loads_named_outright_need_their_data(everything: Path) -> None:
    (everything.parent / "loads" / "forces.mot").unlink()
    text = EVERYTHING.replace("loads/{trial}.xml", "loads/a.xml")
    with pytest.raises(ConfigError, match=r"<datafile> it names, got no file 'forces\.mot'"):
        jobs_of(read_study(written(everything.parent, text)))


def test_geometry_without_a_file(folder: Path) -> None:
    jobs = jobs_of(read_study(written(folder, STUDY.replace("lowpass_hz = 6.0", 'geometry = "polynomial"'))))
    assert jobs[0].read["geometry"] == "polynomial"
    assert "geometry" not in jobs[0].files


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_study(tmp_path / "study.toml")


def test_the_example_is_a_study(tmp_path: Path) -> None:
    import osimopt.batch

    example = Path(osimopt.batch.__file__).with_name("example.toml").read_text(encoding="utf-8")
    study = read_study(written(tmp_path, example))
    assert [method.name for method in study.methods] == ["p2", "p3"]


def test_finished_jobs_that_were_made_otherwise_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of osimopt 0.1 have neither versions nor the geometry that was asked for."""
    jobs = jobs_of(read_study(written(folder)))
    (folder / "results").mkdir()
    journal = Journal(folder / "results")

    def finish(**changed: Any) -> None:
        for job in jobs:
            new = {"geometry_asked": job.geometry, "versions": json.dumps(versions())}
            journal.add(
                {"job": job.name, "status": "solved", "key": job.key(content_hash), "bytes": 0, **new, **changed}
            )

    finish()
    assert runner._to_do(jobs, journal, folder / "results") == [], "and nothing is said"
    finish(key="of the old kind", geometry_asked="", versions="")
    with pytest.warns(UserWarning, match=r"done again: 4 by osimopt before 0\.2\.0, whose muscle paths were OpenSim's"):
        assert len(runner._to_do(jobs, journal, folder / "results")) == 4
    finish(key="of another geometry", geometry_asked="opensim")
    with pytest.warns(UserWarning, match=r"4 with geometry opensim \(now exact\)"):
        runner._to_do(jobs, journal, folder / "results")
    finish()
    monkeypatch.setitem(VERSIONS, "paths", VERSIONS["paths"] + 1)
    with pytest.warns(UserWarning, match=rf"4 with paths {VERSIONS['paths'] - 1} \(now {VERSIONS['paths']}\)"):
        assert len(runner._to_do(jobs, journal, folder / "results")) == 4
