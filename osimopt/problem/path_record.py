"""Which muscle paths arrays, fits and networks were computed from, as their files record it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..errors import some

if TYPE_CHECKING:
    from .problem import RedundancyProblem

#: Raised whenever exact paths (``osimopt/paths/``) of the same description give other lengths or moment arms.
PATHS = 1
#: The version of files that record none: osimopt before 0.2.0, whose paths were OpenSim's unless asked for.
UNKNOWN = 0
#: Between the kinds of a muscle that had several.
OR = " or "


@dataclass(frozen=True)
class PathRecord:
    """What muscle paths were: ``geometry`` by muscle ("exact", "opensim", …), and where they are from.

    ``version`` is that of exact paths (``PATHS``), ``description`` the SHA-256 of the model as it was described in
    arrays: of its files, its welds and OpenSim's version; empty where it is not known, or where there were several.
    """

    geometry: Mapping[str, str] = field(default_factory=dict)
    version: int = PATHS
    description: str = ""

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> PathRecord:
        """The record in a provenance or a file's header; what older ones do not have is not known."""
        geometry = {str(muscle): str(kind) for muscle, kind in plain.get("geometry", {}).items()}
        return cls(geometry, int(plain.get("path_version", UNKNOWN)), str(plain.get("description", "")))

    @classmethod
    def of_problem(cls, problem: RedundancyProblem) -> PathRecord:
        """The record of a problem; of plain arrays it has no muscles."""
        if "inputs" not in problem.provenance:
            return cls()
        record = cls.read(problem.provenance)
        return record if record.geometry else replace(record, geometry=dict.fromkeys(problem.muscles, "opensim"))

    @classmethod
    def joined(cls, records: Iterable[PathRecord]) -> PathRecord:
        """The record of what was computed from several."""
        geometry: dict[str, set[str]] = {}
        versions, descriptions = {PATHS}, set()
        for record in records:
            versions.add(record.version)
            descriptions.add(record.description)
            for muscle, kind in record.geometry.items():
                geometry.setdefault(muscle, set()).update(kind.split(OR))
        kinds = {muscle: OR.join(sorted(found)) for muscle, found in geometry.items()}
        return cls(kinds, min(versions), descriptions.pop() if len(descriptions) == 1 else "")

    def plain(self) -> dict[str, Any]:
        """The record as :meth:`read` takes it."""
        return {"geometry": dict(self.geometry), "path_version": self.version, "description": self.description}

    @property
    def known(self) -> bool:
        """Whether it was recorded."""
        return self.version != UNKNOWN

    @property
    def current(self) -> bool:
        """Whether this version of osimopt would compute the same."""
        return self.version == PATHS or (self.known and "exact" not in self.geometry.values())

    def counted(self) -> str:
        """The kinds, with the number of muscles of each."""
        kinds = Counter(map(self.of, self.geometry))
        return ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common()) or "opensim"

    def of(self, muscle: str) -> str:
        """The kind of a muscle's paths, with the version of exact ones where it is not the present one."""
        kind = self.geometry.get(muscle, "opensim")
        return f"exact of version {self.version}" if kind == "exact" and self.version != PATHS else kind

    def differences(self, other: PathRecord) -> list[str]:
        """How the paths of the other's muscles differ from these, kind by kind; muscles unknown here are left out."""
        pairs: dict[tuple[str, str], list[str]] = {}
        for muscle in other.geometry:
            here, there = self.of(muscle), other.of(muscle)
            if (muscle in self.geometry or not self.known) and there not in here.split(OR):
                pairs.setdefault((here, there), []).append(muscle)
        return [
            f"{there} in place of {here} for {len(muscles)} of {len(other.geometry)} muscles ({some(muscles)})"
            for (here, there), muscles in pairs.items()
        ]


#: Of files of osimopt before 0.2.0, or of other programs.
UNRECORDED = PathRecord(version=UNKNOWN)
