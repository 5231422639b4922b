"""Subjects of a study, each calibrated from its trials with EMG and judged on those that are held out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from ..calibration.calibrate import calibrate
from ..errors import ConfigError, explain, some
from .jobs import Job, jobs_of
from .study import Study, StudyCalibration
from .work import problem_of, reading_of, recorded

if TYPE_CHECKING:
    from ..calibration.calibration import Calibration, Judged


@dataclass(frozen=True)
class Person:
    """A subject with the jobs of its trials: those that calibrate, and those that judge."""

    name: str
    fitted: tuple[Job, ...]
    judged: tuple[Job, ...]

    @property
    def model(self) -> str:
        """Path of the model."""
        return self.fitted[0].files["model"]

    def calibrate(
        self, options: StudyCalibration, progress: Callable[[int, int], None] | None = None
    ) -> tuple[Calibration, Judged | None]:
        """Calibrate, and judge where there are trials for it.

        Raises
        ------
        OsimoptError
            Files that cannot be read, or data that do not fit together.
        """
        problems, emg = _read(self.fitted)
        mapping = recorded(self.fitted[0])[1]
        found = calibrate(problems, emg, mapping, **options.options(), progress=progress)
        return found, found.judge(*_read(self.judged)) if self.judged else None


def people_of(study: Study) -> Iterator[Person]:
    """Subjects of a study with their trials that have EMG.

    Raises
    ------
    ConfigError
        No mapping of EMG, a subject without trials that calibrate, or a pattern of judges that no trial matches.
    """
    options = study.calibration or StudyCalibration()
    if study.emg is None:
        raise ConfigError(explain("an [emg] with a mapping in the study", "none", "Add it, with mapping = …"))
    first = study.methods[0].name
    jobs = [job for job in jobs_of(study) if job.method == first and "emg" in job.files]
    for pattern in options.judge:
        if not any(fnmatchcase(job.trial, pattern) for job in jobs):
            names = some(sorted({job.trial for job in jobs})) or "none with emg"
            raise ConfigError(explain(f"a trial that matches judge = '{pattern}'", names, "Correct the pattern."))
    for subject in study.subjects:
        own = [job for job in jobs if job.subject == subject.name]
        judged = tuple(job for job in own if any(fnmatchcase(job.trial, pattern) for pattern in options.judge))
        fitted = tuple(job for job in own if job not in judged)
        if not fitted:
            got = f"{len(own)} with EMG, all of them judges" if own else "none"
            fix = "Name emg of its trials, and leave some out of judge."
            raise ConfigError(explain(f"trials with EMG that calibrate {subject.name}", got, fix))
        yield Person(subject.name, fitted, judged)


def _read(jobs: tuple[Job, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Problems and EMG by trial."""
    problems = {job.trial: problem_of(job, reading_of(job)) for job in jobs}
    return problems, {job.trial: recorded(job)[0] for job in jobs}
