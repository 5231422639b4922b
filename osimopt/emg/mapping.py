"""Which muscles a channel of EMG stands for, from a TOML file or a preset for well-known models."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, InputError, explain, some
from .presets import CHANNELS, PRESETS

if TYPE_CHECKING:
    import pandas as pd

#: How alike a name must be to be proposed.
ALIKE = 0.6


@dataclass(frozen=True)
class EmgMapping:
    """Muscles by channel: ``{"gluteus_medius": ("glmed1_r", "glmed2_r", "glmed3_r")}``.

    Several muscles of a channel count by their physiological cross-sectional area.
    """

    muscles: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> EmgMapping:
        """From a TOML file with a table ``[channels]``: ``soleus = ["soleus_r"]``.

        Raises
        ------
        ConfigError
            No such file, not TOML, no such table, or anything but names in it.
        """
        path = Path(path)
        fix = 'Write [channels] and lines such as soleus = ["soleus_r"].'
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigError(explain("a mapping of EMG channels (.toml)", "no such file", fix, path)) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(explain("TOML", str(error), fix, path)) from None
        table = content.get("channels")
        if not isinstance(table, dict) or not table:
            raise ConfigError(explain("a table [channels]", f"{some(list(content)) or 'nothing'}", fix, path))
        return cls({str(channel): _names(own, channel, path) for channel, own in table.items()})

    @classmethod
    def preset(cls, name: str, channels: Sequence[str], side: str | None = None) -> EmgMapping:
        """For a model known by name: gait2392, Rajagopal2016, gait10dof18musc, arm26.

        Parameters
        ----------
        name
            Of the preset.
        channels
            Names of the EMG channels, by which their muscle (and side, if they say it) is recognised.
        side
            ``"r"`` or ``"l"`` of channels that do not say it.

        Raises
        ------
        InputError
            An unknown preset, channels of which none is recognised, or no side of a model that has two.
        """
        if name not in PRESETS:
            raise InputError(explain(f"a preset among {some(list(PRESETS), 20)}", repr(name), _meant(name, PRESETS)))
        groups, found = PRESETS[name], {}
        for channel in channels:
            group, own_side = recognise(channel)
            if group not in groups:
                continue
            own_side = own_side or side
            muscles = groups[group]
            if any("{side}" in muscle for muscle in muscles) and own_side is None:
                fix = "Give side='r' or 'l'."
                raise InputError(explain(f"the side of channel {channel}", "none in its name", fix))
            found[channel] = tuple(muscle.format(side=own_side) for muscle in muscles)
        if not found:
            fix = 'Write a mapping file: [channels], then lines such as soleus = ["soleus_r"].'
            raise InputError(explain(f"channels that {name} has muscles for", some(list(channels)), fix))
        return cls(found)

    @classmethod
    def of(
        cls, given: EmgMapping | Mapping[str, str | Sequence[str]] | str | os.PathLike[str], channels: Sequence[str],
        side: str | None = None,
    ) -> EmgMapping:  # fmt: skip
        """From whatever says it: a mapping, a table, the path of a TOML file, the name of a preset."""
        if isinstance(given, EmgMapping):
            return given
        if isinstance(given, Mapping):
            return cls({name: (own,) if isinstance(own, str) else tuple(own) for name, own in given.items()})
        if str(given) in PRESETS or not (Path(given).suffix or Path(given).exists()):
            return cls.preset(str(given), channels, side)
        return cls.read(given)

    def check(self, channels: Sequence[str], muscles: Sequence[str]) -> None:
        """Refuse names that there are not.

        Raises
        ------
        InputError
            With the names that were probably meant.
        """
        for what, given, known in (
            ("EMG channels", list(self.muscles), channels),
            ("muscles", [name for own in self.muscles.values() for name in own], muscles),
        ):
            if unknown := [name for name in dict.fromkeys(given) if name not in known]:
                raise InputError(
                    explain(f"{what} among {some(list(known), 12)}", some(unknown), _meant(unknown[0], known))
                )

    def coverage(self, channels: Sequence[str], muscles: Sequence[str]) -> pd.DataFrame:
        """One row per muscle and channel: ``muscle``, ``channel``; empty where there is none of the other."""
        import pandas as pd

        pairs = [(muscle, channel) for channel, own in self.muscles.items() for muscle in own]
        mapped = {muscle for muscle, _ in pairs}
        pairs += [(muscle, "") for muscle in muscles if muscle not in mapped]
        pairs += [("", channel) for channel in channels if channel not in self.muscles]
        return pd.DataFrame(pairs, columns=["muscle", "channel"])


def recognise(channel: str) -> tuple[str, str | None]:
    """The muscle that a channel's name speaks of, "" if none, and its side where the name ends (or begins) with it."""
    words = channel.lower().replace("-", "_").replace(" ", "_").replace(".", "_").strip("_").split("_")
    words = [word for word in words if word and word not in ("emg", "activation", "env", "envelope")]
    side = next((_SIDES[word] for word in (words[-1:] + words[:1]) if word in _SIDES), None)
    stem = "".join(word for word in words if word not in _SIDES)
    return CHANNELS.get(stem, ""), side


_SIDES = {"r": "r", "right": "r", "l": "l", "left": "l"}


def _names(own: Any, channel: str, path: Path) -> tuple[str, ...]:
    names = (own,) if isinstance(own, str) else own
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(explain(f"names of muscles for channel {channel}", repr(own), 'As ["soleus_r"].', path))
    if len(set(names)) < len(names):
        raise ConfigError(explain(f"each muscle of channel {channel} once", some(list(names)), "Leave one out.", path))
    return tuple(names)


def _meant(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, [str(one) for one in known], n=1, cutoff=ALIKE)
    return f"Did you mean {close[0]}?" if close else "Check the names."
