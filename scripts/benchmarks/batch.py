"""A study of 200 trials with ten broken files, what happens when things are killed, and what side by side gains.

usage: python scripts/benchmarks/batch.py DATA OUT [--trials 200] [--parts trials faults scaling overhead manifest]

DATA holds what `osimopt fetch` brings. *trials*: windows of gait_9emg, walk_treadmill_emg and walk_80muscles, and ten
files broken in ten ways; memory of the parent and of its workers. *faults*: each fault is injected into a study of 12
short trials, which is then resumed; results are compared with those of an undisturbed run. *scaling*: 100 short trials
with one worker and with two. *overhead*: walks of 80 muscles with exact paths, by batch and in one loop. *manifest*:
10,000 rows written and read.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

import osimopt
from osimopt.batch.jobs import jobs_of
from osimopt.batch.journal import write_manifest
from osimopt.batch.study import read_study
from osimopt.datasets import arm26

OSIMOPT = [sys.executable, "-c", "from osimopt.cli import main; main()"]
#: Set: model, motion, moments or loads, first second, s of a window, s between two.
SETS = {
    "gait_9emg": ("gait2392.osim", "ik.sto", "generalized_force", "id.sto", 1.0, 0.5, 0.55),
    "walk_treadmill_emg": (
        "Rajagopal_scaled_Sub1_gasAvoid.osim", "results_ik.sto", "generalized_force", "results_id.sto", 1.0, 0.5, 0.6,
    ),
    "walk_80muscles": (
        "walk_80muscles_with_reserves.osim", "coordinates_100hz.mot", "external_loads", "grf_walk.xml", 0.49, 0.1, 0.1,
    ),
}  # fmt: skip


def broken(motion: str) -> dict[str, str]:
    """A motion (text) broken in ten ways."""
    head, rows = motion.split("endheader\n")
    lines = rows.splitlines()
    names = lines[0].split("\t")
    cut = "\n".join([*lines[:-1], lines[-1][: len(lines[-1]) // 2]])
    others = "\t".join(["time", *(f"q{place}" for place in range(len(names) - 1))])

    def row(number: int, change: Callable[[list[str]], list[str]]) -> str:
        new = [*lines[:number], "\t".join(change(lines[number].split("\t"))), *lines[number + 1 :]]
        return f"{head}endheader\n" + "\n".join(new)

    return {
        "empty": "", "no_header": rows, "cut_short": f"{head}endheader\n{cut}",
        "nan": row(9, lambda own: [own[0], "nan", *own[2:]]),
        "decimal_comma": row(9, lambda own: [own[0], own[1].replace(".", ","), *own[2:]]),
        "word": row(9, lambda own: [own[0], "n/a", *own[2:]]),
        "time_goes_back": row(9, lambda own: ["0.0", *own[1:]]),
        "label_twice": f"{head}endheader\n" + "\n".join(["\t".join([*names[:-1], names[1]]), *lines[1:]]),
        "other_names": f"{head}endheader\n" + "\n".join([others, *lines[1:]]),
        "one_frame": f"{head}endheader\n" + "\n".join(lines[:2]),
    }  # fmt: skip


def study_of_sets(data: Path, place: Path, trials: int) -> Path:
    """Write the study: windows by events, and the broken files."""
    place.mkdir(parents=True, exist_ok=True)
    text = ['name = "sets"', "[defaults]", "lowpass_hz = 6.0"]
    count = {"walk_80muscles": 10, "gait_9emg": trials // 2}
    count["walk_treadmill_emg"] = trials - sum(count.values())
    for name, (model, motion, what, file, start, long, step) in SETS.items():
        own = data / name
        spans = [(start + step * number, start + step * number + long) for number in range(count[name])]
        rows = [f"{Path(motion).stem},{first:.3f},{last:.3f}" for first, last in spans]
        (place / f"{name}.csv").write_text("\n".join(["trial,start,end", *rows]) + "\n")
        text += ["[[subjects]]", f'name = "{name}"', f'model = "{own / model}"', f'motions = "{own / motion}"']
        text += [f'events = "{place / name}.csv"', f'{what} = "{own / file}"']
    (place / "broken").mkdir(exist_ok=True)
    for kind, content in broken(arm26().motion.read_text()).items():
        (place / "broken" / f"{kind}.mot").write_text(content)
    text += ["[[subjects]]", 'name = "broken"', f'model = "{arm26().model}"', 'motions = "broken/*.mot"']
    text += ["[[methods]]", 'name = "p2"', "[run]", "recycle_mb = 900"]
    path = place / "study.toml"
    path.write_text("\n".join(text) + "\n")
    return path


def part_trials(data: Path, out: Path, trials: int) -> dict[str, Any]:
    """All of them once, with the memory of this process beside it."""
    study, held = study_of_sets(data, out / "trials", trials), []
    begin = time.perf_counter()
    folder = osimopt.run_study(
        study, out / "trials_results", progress=lambda *_: held.append(psutil.Process().memory_info().rss / 2**20)
    )
    table = osimopt.read_manifest(folder)
    bad = table[table["subject"] == "broken"]
    for _, row in bad.iterrows():
        print(f"  {row['trial']:15} {row['status']:12} {str(row['reason'])[:140]}", flush=True)
    good = table[table["subject"] != "broken"]
    return {
        "jobs": len(table), "seconds": round(time.perf_counter() - begin, 1),
        "good trials by status": good["status"].value_counts().to_dict(),
        "broken trials by status": bad["status"].value_counts().to_dict(),
        "reasons of the others": good[good["status"] != "solved"]["reason"].str[:100].tolist()[:5],
        "parent grew by MB": round(max(held) - held[min(10, len(held) - 1)], 1),
        "largest worker MB": float(table["peak_mb"].max()),
    }  # fmt: skip


def short_study(place: Path, trials: int, jobs: int, frames: int = 40) -> Path:
    """Copies of a part of the arm's flexion, which take a tenth of a second each."""
    (place / "ik").mkdir(parents=True, exist_ok=True)
    motion = osimopt.read_table(arm26().motion)
    from osimopt.files.storage import write_table

    for number in range(trials):
        part = motion.iloc[number % 100 : number % 100 + frames]
        write_table(part, place / "ik" / f"t{number:03}.mot", in_degrees=bool(motion.attrs["in_degrees"]))
    path = place / "study.toml"
    path.write_text(
        f'[[subjects]]\nname = "arm"\nmodel = "{arm26().model}"\nmotions = "ik/*.mot"\n[[methods]]\nname = "p2"\n'
        f'[[methods]]\nname = "p3"\nexponent = 3\n[run]\njobs = {jobs}\n'
    )
    return path


def tables(folder: Path) -> dict[str, bytes]:
    """Every .sto of the results."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("results/**/*.sto"))}


def rows(folder: Path) -> int:
    """Lines of the journal."""
    path = folder / "journal.jsonl"
    return path.read_text().count("\n") if path.is_file() else 0


def workers(process: psutil.Process) -> list[psutil.Process]:
    """Worker processes below one."""
    return [one for one in process.children(recursive=True) if "osimopt.batch.process" in " ".join(one.cmdline())]


def part_faults(out: Path) -> list[dict[str, Any]]:
    """Inject, look at how it ended, resume, compare."""
    study = short_study(out / "faults", 12, 2)
    undisturbed = tables(osimopt.run_study(study, out / "faults_undisturbed"))
    rows = []
    for name, fault in FAULTS.items():
        folder = out / f"faults_{name.replace(' ', '_')}"
        ended = fault(study, folder)
        again = subprocess.run([*OSIMOPT, "batch", study, "-o", folder, "--resume"], capture_output=True, text=True)
        table = osimopt.read_manifest(folder)
        rows.append({
            "fault": name, "ended": ended, "resume": again.returncode, "jobs": len(table),
            "doubled": int(table["job"].duplicated().sum()), "solved": int((table["status"] == "solved").sum()),
            "identical": tables(folder) == undisturbed,
        })  # fmt: skip
        print(" ", rows[-1], flush=True)
    return rows


def started(study: Path, folder: Path, *words: str) -> subprocess.Popen[str]:
    """The command, once three jobs are done."""
    process = subprocess.Popen(
        [*OSIMOPT, "batch", str(study), "-o", str(folder), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and rows(folder) < 3:
        time.sleep(0.02)
    return process


def killed_worker(study: Path, folder: Path) -> str:
    """SIGKILL to a worker."""
    process = started(study, folder)
    for one in workers(psutil.Process(process.pid))[:1]:
        one.kill()
    return f"exit {process.wait()}"


def ended(number: int) -> Callable[[Path, Path], str]:
    """A signal to the parent."""

    def run(study: Path, folder: Path) -> str:
        process = started(study, folder)
        process.send_signal(number)
        code, at = process.wait(), rows(folder)
        time.sleep(2.0)  # workers of a parent that was killed look for it every second
        return f"exit {code}, {at} of 24 done"

    return run


def corrupt(study: Path, folder: Path) -> str:
    """A motion is cut while the study runs, and mended before it is resumed."""
    victim = study.parent / "ik" / "t011.mot"
    whole = victim.read_bytes()
    process = started(study, folder, "--jobs", "1")
    victim.write_bytes(whole[:300])
    code = process.wait()
    failed = (osimopt.read_manifest(folder)["status"] != "solved").sum()
    victim.write_bytes(whole)
    return f"exit {code}, {failed} failed"


def hung(study: Path, folder: Path) -> str:
    """A worker that is stopped (SIGSTOP) is ended by the timeout; tried again by resume."""
    patient = study.read_text()
    study.write_text(patient.replace("[run]", "[run]\ntimeout_s = 5"))
    process = started(study, folder, "--jobs", "1")
    for one in workers(psutil.Process(process.pid)):
        one.suspend()
    code = process.wait()
    failed = osimopt.read_manifest(folder)["status"].value_counts().to_dict()
    study.write_text(patient)
    return f"exit {code}, {failed}"


def full_disk(study: Path, folder: Path) -> str:
    """A disk of 300 kB (tmpfs), moved to where there is room before it is resumed."""
    with tempfile.TemporaryDirectory() as mount:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", mount], capture_output=True, text=True
        )
        if done.returncode:
            return f"not tried: {done.stderr.strip()}"
        try:
            own = Path(mount) / "results"
            ran = subprocess.run([*OSIMOPT, "batch", str(study), "-o", str(own)], capture_output=True, text=True)
            shutil.copytree(own, folder)
        finally:
            subprocess.run(["umount", mount], check=False)
    message = (ran.stderr.strip().splitlines() or [""])[-1].split(": expected")[-1][:90]
    return f"exit {ran.returncode}, {rows(folder)} rows; {message}"


def killed_dask(study: Path, folder: Path) -> str:
    """One of two Dask workers killed."""
    place = folder.with_suffix(".json")
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    tail = ["--scheduler-file", str(place), "--no-dashboard"]
    module = [sys.executable, "-m"]
    scheduler = subprocess.Popen(
        [*module, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *tail], **quiet
    )
    while not place.is_file() or not place.read_text():
        time.sleep(0.05)
    two = [
        subprocess.Popen([*module, "distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", *tail], **quiet)
        for _ in range(2)
    ]
    process = started(study, folder, "--scheduler", json.loads(place.read_text())["address"])
    two[0].kill()
    code = process.wait()
    for one in [*two, scheduler]:
        one.kill()
        one.wait()
    lines = [json.loads(line)["job"] for line in (folder / "journal.jsonl").read_text().splitlines()]
    return f"exit {code}, {len(lines)} rows of {len(set(lines))} jobs"


FAULTS: dict[str, Callable[[Path, Path], str]] = {
    "SIGKILL of a worker": killed_worker, "SIGKILL of the parent": ended(signal.SIGKILL),
    "SIGTERM": ended(signal.SIGTERM), "Ctrl-C": ended(signal.SIGINT), "full disk": full_disk,
    "corrupt file mid-run": corrupt, "hung job": hung, "killed Dask worker": killed_dask,
}  # fmt: skip


def part_scaling(data: Path, out: Path) -> dict[str, Any]:
    """100 windows of the two long sets: the bare solve in one process, one worker, two; three times, medians."""
    study = study_of_sets(data, out / "scaling", 110)
    text = study.read_text()
    for name in ("walk_80muscles", "broken"):  # the others alone
        first = text.index(f'[[subjects]]\nname = "{name}"')
        last = min(own for own in (text.find("[[subjects]]", first + 5), text.index("[[methods]]")) if own > 0)
        text = text[:first] + text[last:]
    study.write_text(text)
    everything = jobs_of(read_study(study))
    seconds: dict[str, list[float]] = {"bare": [], "1 worker": [], "2 workers": []}
    for turn in range(3):
        begin = time.perf_counter()
        for job in everything:
            moments = job.files["generalized_force"]
            problem = osimopt.load_problem(
                job.files["model"], job.files["motion"], generalized_force=moments, n_jobs=1, **job.read
            )
            osimopt.solve_static(problem, on_failure="return").write(out / "scaling_bare", overwrite=True)
        seconds["bare"].append(time.perf_counter() - begin)
        for jobs in (1, 2):
            begin = time.perf_counter()
            osimopt.run_study(study, out / f"scaling_{jobs}_{turn}", jobs=jobs)
            seconds[f"{jobs} worker{'s' if jobs > 1 else ''}"].append(time.perf_counter() - begin)
    middle = {name: statistics.median(own) for name, own in seconds.items()}
    return {
        "jobs": len(everything), **{name: round(own, 2) for name, own in middle.items()},
        "gain of two": round(middle["1 worker"] / middle["2 workers"], 2),
        "overhead over the bare solve": round(middle["1 worker"] / middle["bare"] - 1.0, 3),
    }  # fmt: skip


#: All trials of a study in one loop: what batch adds to this is its overhead.
BARE = """
import sys, osimopt
model, loads, out, *motions = sys.argv[1:]
for number, motion in enumerate(motions):
    problem = osimopt.load_problem(model, motion, loads, geometry="exact", reserves=None, n_jobs=1)
    osimopt.solve_static(problem, on_failure="return").write(f"{out}/{number}")
"""


def varied_walks(data: Path, place: Path, trials: int) -> tuple[Path, list[Path], Path]:
    """A study of the walk of 80 muscles, its motions, each moved a little otherwise, and the model's loads."""
    from osimopt.files.storage import write_table

    walk = data / "walk_80muscles"
    motion = osimopt.read_table(walk / "coordinates_100hz.mot")
    (place / "ik").mkdir(parents=True)
    paths = [place / "ik" / f"t{number:03}.mot" for number in range(trials)]
    for number, path in enumerate(paths):
        moved = motion.copy()
        moved["lumbar_extension"] += 0.01 * number / trials
        write_table(moved, path, in_degrees=bool(motion.attrs["in_degrees"]))
    study = place / "study.toml"
    study.write_text(
        f'[defaults]\ngeometry = "exact"\nreserves = "none"\nexternal_loads = "{walk / "grf_walk.xml"}"\n'
        f'[[subjects]]\nname = "walk"\nmodel = "{walk / "walk_80muscles_with_reserves.osim"}"\nmotions = "ik/*.mot"\n'
        '[[methods]]\nname = "p2"\n'
    )
    return study, paths, walk / "grf_walk.xml"


def part_overhead(data: Path, out: Path, trials: int) -> dict[str, Any]:
    """Whole processes, in turn, three times: the loop over all trials, and batch with one worker; wall and CPU time."""
    study, motions, loads = varied_walks(data, out / "overhead", trials)
    model = data / "walk_80muscles" / "walk_80muscles_with_reserves.osim"
    sides: dict[str, Callable[[Path], list[Any]]] = {
        "bare": lambda place: [sys.executable, "-c", BARE, model, loads, place, *motions],
        "batch": lambda place: [*OSIMOPT, "batch", study, "-o", place, "--jobs", "1"],
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for turn in range(4):  # the first describes the model and writes bytecode
        for name, command in sides.items():
            before, begin = os.times(), time.perf_counter()
            subprocess.run(command(out / f"overhead_{name}_{turn}"), check=True, capture_output=True)
            after = os.times()
            cpu = after.children_user + after.children_system - before.children_user - before.children_system
            taken[name].append((time.perf_counter() - begin, cpu))
    middle = {name: [statistics.median(column) for column in zip(*own[1:], strict=True)] for name, own in taken.items()}
    return {
        "jobs": trials, "seconds": {name: round(own[0], 2) for name, own in middle.items()},
        "overhead": round(middle["batch"][0] / middle["bare"][0] - 1.0, 3),
        "overhead in CPU time": round(middle["batch"][1] / middle["bare"][1] - 1.0, 3),
    }  # fmt: skip


def part_manifest(out: Path) -> dict[str, float]:
    """10,000 rows each way."""
    table = [
        {"job": f"s{n // 100}/t{n}/p2", "subject": f"s{n // 100}", "trial": f"t{n}", "method": "p2", "status": "solved",
         "reason": "", "frames": 100, "frames_solved": 100, "moment_residual_max": 1e-12 * n, "seconds": 0.1 * n,
         "key": f"{n:064}"}
        for n in range(10_000)
    ]  # fmt: skip
    begin = time.perf_counter()
    write_manifest(out, table)
    written = time.perf_counter() - begin
    begin = time.perf_counter()
    assert len(osimopt.read_manifest(out)) == 10_000
    return {"written_s": round(written, 2), "read_s": round(time.perf_counter() - begin, 2)}


def main() -> None:
    """All parts, as JSON."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("data", type=Path)
    given.add_argument("out", type=Path)
    given.add_argument("--trials", type=int, default=200)
    given.add_argument("--parts", nargs="*", default=["trials", "faults", "scaling", "overhead", "manifest"])
    arguments = given.parse_args()
    os.environ["LD_LIBRARY_PATH"] = ""
    out = arguments.out.absolute()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    parts: dict[str, Callable[[], Any]] = {
        "trials": lambda: part_trials(arguments.data.absolute(), out, arguments.trials),
        "faults": lambda: part_faults(out), "scaling": lambda: part_scaling(arguments.data.absolute(), out),
        "overhead": lambda: part_overhead(arguments.data.absolute(), out, arguments.trials),
        "manifest": lambda: part_manifest(out),
    }  # fmt: skip
    for name in arguments.parts:
        print(json.dumps({name: parts[name]()}, indent=1), flush=True)


if __name__ == "__main__":
    main()
