"""Muscles that each EMG channel measures, from a TOML file or a preset for well-known models."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, InputError, check_names, explain, some

if TYPE_CHECKING:
    import pandas as pd

_NAMES = tomllib.loads(Path(__file__).with_name("presets.toml").read_text(encoding="utf-8"))
#: Muscles of well-known models, by model and anatomical name; {side} is r or l.
PRESETS: dict[str, dict[str, tuple[str, ...]]] = {
    model: {name: tuple(muscles) for name, muscles in groups.items()} for model, groups in _NAMES["models"].items()
}
#: Anatomical name by the word that channels use for it.
_MUSCLE_OF = {word: name for name, words in _NAMES["words"].items() for word in words}
#: Words that stand for several muscles, and which.
_AMBIGUOUS: dict[str, tuple[str, ...]] = {word: tuple(names) for word, names in _NAMES["ambiguous"].items()}
_SIDES = {"right": "r", "left": "l", "r": "r", "l": "l"}
#: Words of recorders in the names of channels.
_FILLERS = re.compile(
    r"(?:emg|activation|env|envelope|voltage|volt|sensor|analog|channel|ch|raw|imu|trigno|noraxon|[mµu]?v)?\d*"
)


@dataclass(frozen=True)
class EmgMapping:
    """Muscles by EMG channel.

    Attributes
    ----------
    muscles : mapping of str to tuple of str
        Names of the model's muscles by channel. The activation of a channel with several muscles is their mean,
        weighted by physiological cross-sectional area.

    Examples
    --------
    >>> import osimopt
    >>> mapping = osimopt.EmgMapping.preset("gait2392", ["soleus", "glmed"], side="r")
    >>> mapping.muscles["glmed"]
    ('glut_med1_r', 'glut_med2_r', 'glut_med3_r')
    """

    muscles: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> EmgMapping:
        """Read a TOML file with a table ``[channels]`` and lines such as ``soleus = ["soleus_r"]``.

        Raises
        ------
        ConfigError
            No such file, not TOML, no table ``[channels]``, or values that are not names.
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
        return cls({str(channel): _names(value, channel, path) for channel, value in table.items()})

    @classmethod
    def preset(cls, name: str, channels: Sequence[str], side: str | None = None) -> EmgMapping:
        """Mapping for a well-known model.

        Parameters
        ----------
        name : str
            ``"gait2392"``, ``"Rajagopal2016"``, ``"gait10dof18musc"`` or ``"arm26"``.
        channels : sequence of str
            Names of the EMG channels, from which their muscle and side are recognised.
        side : str, optional
            ``"r"`` or ``"l"``, for channels whose name contains no side.

        Raises
        ------
        InputError
            An unknown preset, no channel that is recognised, or no side for a model with two legs.
        """
        check_names("a preset", [name], PRESETS)
        found = {}
        for channel in channels:
            group, named_side = recognise(channel, channels)
            muscles = PRESETS[name].get(group, ())
            if "{side}" in "".join(muscles) and not (named_side or side):
                fix = "Give side='r' or 'l'."
                raise InputError(explain(f"the side of channel {channel}", "none in its name", fix))
            if muscles:
                found[channel] = tuple(muscle.format(side=named_side or side) for muscle in muscles)
        if not found:
            fix = 'Write a mapping file: [channels], then lines such as soleus = ["soleus_r"].'
            raise InputError(explain(f"channels that {name} has muscles for", some(list(channels)), fix))
        return cls(found)

    @classmethod
    def of(
        cls, given: EmgMapping | Mapping[str, str | Sequence[str]] | str | os.PathLike[str], channels: Sequence[str],
        side: str | None = None,
    ) -> EmgMapping:  # fmt: skip
        """Mapping from a mapping, a dict, the path of a TOML file or the name of a preset."""
        if isinstance(given, EmgMapping):
            return given
        if isinstance(given, Mapping):
            return cls({name: (names,) if isinstance(names, str) else tuple(names) for name, names in given.items()})
        if str(given) in PRESETS or not (Path(given).suffix or Path(given).exists()):
            return cls.preset(str(given), channels, side)
        return cls.read(given)

    def check(self, channels: Sequence[str], muscles: Sequence[str]) -> None:
        """Raise an InputError for unknown channels or muscles, with a similar known name."""
        check_names("EMG channels", self.muscles, channels)
        check_names("muscles", chain(*self.muscles.values()), muscles)

    def coverage(self, channels: Sequence[str], muscles: Sequence[str]) -> pd.DataFrame:
        """One row per ``muscle`` and ``channel``; the other cell is empty for those without a counterpart."""
        import pandas as pd

        pairs = [(muscle, channel) for channel, names in self.muscles.items() for muscle in names]
        mapped = {muscle for muscle, _ in pairs}
        pairs += [(muscle, "") for muscle in muscles if muscle not in mapped]
        pairs += [("", channel) for channel in channels if channel not in self.muscles]
        return pd.DataFrame(pairs, columns=["muscle", "channel"])


def recognise(channel: str, others: Sequence[str] = ()) -> tuple[str, str | None]:
    """Anatomical name that a channel's name stands for ("" if none), and the side in it.

    ``others`` are all channels of the recording. Sides may be glued to the muscle (RTA, TAr); HamL is a lateral muscle
    unless there is a HamR. GM and GL are the gastrocnemii where both are there and no other channel is one of them.
    """
    stem, side = _stem(channel)
    stems = {_stem(name)[0] for name in others}
    if stem in _AMBIGUOUS:
        named = {_MUSCLE_OF.get(one, "") for one in stems}
        alone = not any(name.startswith("gastrocnemius") for name in named)
        return (_AMBIGUOUS[stem][0] if stems >= set(_AMBIGUOUS) and alone else ""), side
    sided = side is None and stem[-1:] == "l" and stem[:-1] in _MUSCLE_OF and f"{stem[:-1]}r" in stems
    if stem in _MUSCLE_OF and not sided:
        return _MUSCLE_OF[stem], side
    if side is None:
        for word, own in _SIDES.items():
            for rest in (stem.removeprefix(word), stem.removesuffix(word)):
                if rest != stem and rest in _MUSCLE_OF:
                    return _MUSCLE_OF[rest], own
    return "", side


def unknown(channels: Sequence[str], mapped: Iterable[str]) -> list[str]:
    """Channels that are not mapped, each with the reason where its name has several meanings."""
    found = []
    for channel in channels:
        if channel in mapped:
            continue
        meanings = _AMBIGUOUS.get(_stem(channel)[0])
        found.append(f"{channel} ({' or '.join(meanings)}?)" if meanings else channel)
    return found


def _stem(channel: str) -> tuple[str, str | None]:
    """Words of a channel's name in one, without sides, numbers and the recorder's words; and its side."""
    words = re.split(r"[^0-9a-zµ]+", channel.lower())
    words = [word for word in words if word and not _FILLERS.fullmatch(word)]
    side = next((_SIDES[word] for word in (words[-1:] + words[:1]) if word in _SIDES), None)
    return "".join(word for word in words if word not in _SIDES), side


def _names(value: Any, channel: str, path: Path) -> tuple[str, ...]:
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
        raise ConfigError(explain(f"names of muscles for channel {channel}", repr(value), 'Write ["soleus_r"].', path))
    if len(set(names)) < len(names):
        raise ConfigError(explain(f"each muscle of channel {channel} once", some(list(names)), "Leave one out.", path))
    return tuple(names)
