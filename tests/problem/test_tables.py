"""Reading and writing .sto and .mot tables: dialects, rules, errors that name the place, exact round trips."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from osimopt.errors import InputError
from osimopt.files import rows, storage
from osimopt.files.storage import csv_rows, read_table, write_atomically, write_table

ROWS = "time\tknee\thip\n0\t1.5\t-2\n0.01\t1.25\t-3e1\n"
V1 = "Coordinates\nversion=1\nnRows=2\nnColumns=3\ninDegrees=no\nendheader\n"
V3 = "inDegrees=no\nDataType=double\nversion=3\nOpenSimVersion=4.6-2026-01-01\nendheader\n"
SIMM = (
    "# SIMM Motion File Header:\nname walk trial 1\ndatacolumns 3\ndatarows 2\notherdata 1\nrange 0 0.01\n\n"
    "# 12 markers = all\nendheader\n"
)
FREE_TEXT = (
    "Static Optimization\nversion=1\nnRows=2\nnColumns=3\ninDegrees=no\n\nThis file contains forces.\n"
    "\nUnits are S.I. units (second, meters, Newtons, ...)\nAngles are in radians, if any = none.\n\nendheader\n\n"
)


@pytest.fixture
def write(tmp_path: Path):
    def _write(text: str | bytes, name: str = "table.sto") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return _write


# ---------------------------------------------------------------------------------------------- dialects


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(V1 + ROWS, id="version 1"),
        pytest.param(V3 + ROWS, id="version 3"),
        pytest.param(SIMM + ROWS, id="SIMM"),
        pytest.param(FREE_TEXT + ROWS, id="free text and blank lines"),
        pytest.param("\ufeff" + V1 + ROWS, id="BOM"),
        pytest.param((V1 + ROWS).replace("\n", "\r\n"), id="CRLF"),
        pytest.param(V1 + ROWS.replace("time\tknee\thip", "time\t knee\thip  "), id="padded labels"),
        pytest.param(V1 + ROWS.replace("\n", "\t\n"), id="trailing tabs"),
        pytest.param(V1 + ROWS.replace("\n", " \t \n"), id="trailing tabs and blanks"),
        pytest.param(V1 + ROWS.replace("\t", "  "), id="blanks instead of tabs"),
        pytest.param(V1 + ROWS + "\n\n", id="blank lines at the end"),
        pytest.param(V1 + ROWS.rstrip(), id="no newline at the end"),
        pytest.param(V1.replace("endheader", " EndHeader ") + ROWS, id="endheader in other letters"),
        pytest.param(V1.replace("=", " = ") + ROWS, id="blanks around ="),
    ],
)
def test_every_dialect_gives_the_same_table(write, text: str) -> None:
    table = read_table(write(text))
    assert list(table.columns) == ["knee", "hip"]
    assert table.index.name == "time"
    assert table.index.tolist() == [0.0, 0.01]
    assert table.to_numpy().tolist() == [[1.5, -2.0], [1.25, -30.0]]


def test_time_may_be_any_column(write) -> None:
    table = read_table(write(V1 + "knee\ttime\thip\n1\t0\t2\n3\t0.5\t4\n"))
    assert table.index.tolist() == [0.0, 0.5]
    assert table.to_numpy().tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_labels_keep_inner_blanks_between_tabs(write) -> None:
    table = read_table(write(V1 + "time\tright knee\thip\n0\t1\t2\n1\t3\t4\n"))
    assert list(table.columns) == ["right knee", "hip"]


def test_attrs_tell_where_a_table_is_from(write) -> None:
    path = write(V3 + ROWS)
    attrs = read_table(path).attrs
    assert attrs["path"] == str(path)
    assert attrs["header"]["DataType"] == "double"
    assert attrs["header"]["version"] == "3"


@pytest.mark.parametrize(
    ("name", "header", "in_degrees"),
    [
        ("a.mot", "name\nendheader\n", True),
        ("a.MOT", "name\nendheader\n", True),
        ("a.mot", SIMM, True),
        ("a.mot", "name\nversion=1\nendheader\n", False),
        ("a.mot", "name\nversion=1\ninDegrees=yes\nendheader\n", True),
        ("a.mot", "name\ninDegrees=no\nendheader\n", False),
        ("a.mot", "name\ninDegrees=No\nendheader\n", False),
        ("a.sto", "name\nendheader\n", False),
        ("a.sto", "name\ninDegrees=yes\nendheader\n", True),
        ("a.sto", "name\nversion=1\nendheader\n", False),
    ],
)
def test_degrees_rule_is_opensims(write, name: str, header: str, in_degrees: bool) -> None:
    assert read_table(write(header + ROWS, name)).attrs["in_degrees"] is in_degrees


def test_values_are_never_converted(write) -> None:
    table = read_table(write("name\ninDegrees=yes\nendheader\n" + ROWS))
    assert table["knee"].tolist() == [1.5, 1.25]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("nRows=2", "nRows=5"), ["declares 5 rows, the table holds 2"]),
        (("nColumns=3", "nColumns=4"), ["declares 4 columns, the table holds 3"]),
        (("nRows=2\nnColumns=3", "nRows=1\nnColumns=2"), ["1 rows", "2 columns"]),
        (("nRows=2", "datarows 7"), ["declares 7 rows"]),
        (("nColumns=3", "datacolumns 12"), ["declares 12 columns"]),
    ],
)
def test_header_that_disagrees_is_one_warning_each(write, change: tuple[str, str], words: list[str]) -> None:
    path = write(V1.replace(*change) + ROWS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = read_table(path)
    assert table.shape == (2, 2)
    assert len(caught) == len(words)
    for warning, word in zip(caught, words, strict=True):
        assert word in str(warning.message)
        assert str(path) in str(warning.message)


# ------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("text", "match"),
    [
        pytest.param("time,knee\n0,1\n", "endheader.*CSV must be converted", id="CSV"),
        pytest.param("name\nversion=1\n" + ROWS, "header ending in 'endheader'", id="no endheader"),
        pytest.param("", "header ending in 'endheader'", id="empty file"),
        pytest.param("name\nversion=1\nendheader\n\n", "row of labels", id="ends after the header"),
        pytest.param(V1 + "frame\tknee\n0\t1\n", "line 7: .*column 'time', got frame, knee", id="no time"),
        pytest.param(V1 + "time\thip\tknee\thip\n0\t1\t2\t3\n", "line 7: .*hip twice", id="label twice"),
        pytest.param(V1 + "time\thip\t hip\n0\t1\t2\n", "line 7: .*hip twice", id="label twice when stripped"),
        pytest.param(V1 + "time\ttime\thip\n0\t1\t2\n", "line 7: .*time twice", id="time twice"),
        pytest.param(V1 + ROWS + "0.02\t1\n", "line 10: expected 3 numbers.*got 2", id="short row"),
        pytest.param(V1 + ROWS + "0.02\t1\t2\t3\n", "line 10: expected 3 numbers.*got 4", id="long row"),
        pytest.param(V1 + ROWS + "0.02\t\t2\n", "line 10: expected 3 numbers.*got 2", id="empty cell"),
        pytest.param(V1 + ROWS + "0,02\t1\t2\n", "line 10: .*decimal commas.*Replace", id="decimal comma"),
        pytest.param(V1 + ROWS + "0,02\t1,5e-3\t2\n", "line 10: .*decimal commas", id="comma and exponent"),
        pytest.param(V1 + ROWS + "0.02\tn/a\t2\n", "line 10: .*'n/a' in column 'knee'", id="word"),
        pytest.param(V1 + "time\tknee\thip\n", "at least one row of numbers", id="labels without numbers"),
        pytest.param(V1 + "time\tknee\thip\n\n \t\n", "at least one row", id="labels and blank lines"),
        pytest.param("name\ninDegrees=maybe\nendheader\n" + ROWS, "'maybe'", id="inDegrees"),
        pytest.param(b"\x02P\xff\xfe\x00endheader\n", "bytes that are not text", id="binary"),
    ],
)
def test_errors_name_place_and_remedy(write, text: str | bytes, match: str) -> None:
    path = write(text)
    with pytest.raises(InputError, match=match) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


def test_line_numbers_count_blank_lines(write) -> None:
    with pytest.raises(InputError, match="line 18: expected 3 numbers"):
        read_table(write(FREE_TEXT + ROWS + "\n1\t2\n"))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.mot: .*no such file"):
        read_table(tmp_path / "nowhere.mot")


def test_folder_instead_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_table(tmp_path)


# ----------------------------------------------------------------------------------------------- writing

LABELS = st.lists(
    st.text("abcdefghijklmnopqrstuvwxyz_/|.0123456789", min_size=1, max_size=12).filter(lambda label: label != "time"),
    min_size=1,
    max_size=4,
    unique=True,
)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    labels = draw(LABELS)
    rows = draw(st.integers(1, 4))
    anything = st.floats(allow_nan=True, allow_infinity=True, width=64)
    values = draw(hnp.arrays(float, (rows, len(labels)), elements=anything))
    times = draw(st.lists(st.floats(0.0, 1e4), min_size=rows, max_size=rows, unique_by=lambda t: t).map(sorted))
    return pd.DataFrame(values, index=pd.Index(times, name="time"), columns=labels)


@given(table=tables(), in_degrees=st.booleans())
def test_round_trip_is_exact_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, table: pd.DataFrame, in_degrees: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.sto"
    read = read_table(write_table(table, path, in_degrees=in_degrees))
    pd.testing.assert_frame_equal(read, table, check_exact=True, check_flags=False)
    assert read.attrs["in_degrees"] is in_degrees


def test_round_trip_of_a_number_that_needs_17_digits(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": [0.1 + 0.2]}, index=pd.Index([1.0 / 3.0], name="time"))
    read = read_table(write_table(table, tmp_path / "table.sto"))
    assert read["x"].tolist() == [0.1 + 0.2]
    assert read.index.tolist() == [1.0 / 3.0]


def hard_numbers() -> np.ndarray:
    """Numbers (N, 5) of every sign and exponent, by random bits, with zeros, whole numbers, NaN and infinities."""
    rng = np.random.default_rng(3)
    bits = rng.integers(0, 2**64, size=(4000, 5), dtype=np.uint64).view(np.float64)
    short = np.round(rng.normal(size=(2000, 5)) * 10.0 ** rng.integers(-8, 17, size=(2000, 1)), 3)
    special = np.array([[0.0, -0.0, np.nan, np.inf, -np.inf], [1.0, 5e-324, 2.0**53, 1e22, 1.7976931348623157e308]])
    return np.concatenate([bits, short, special])


@pytest.mark.parametrize("many", [10**9, 0], ids=["few", "many"])
def test_rows_hold_every_digit_however_they_are_written(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own float of each cell is the number, and no cell has more characters than its repr (and a dot)."""
    monkeypatch.setattr(storage, "MANY", many)
    values = hard_numbers()
    time = 0.01 * np.arange(len(values))
    cells = [line.split("\t") for line in storage.table_rows(time[:, None], values).decode().splitlines()]
    found = np.array([[float(cell) for cell in row] for row in cells])
    np.testing.assert_array_equal(found, np.column_stack([time, values]))
    assert (np.signbit(found[:, 1:]) == np.signbit(values))[~np.isnan(values)].all()
    assert {cell for row in cells for cell in row if cell.strip("-").isalpha()} == {"nan", "inf", "-inf"}


def test_rows_of_csv_are_those_of_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "MANY", 0)
    words = ["solved", 'said "no", then', "", "two\nlines"]
    table = pd.DataFrame({"a": [1.5, np.nan, -0.1, 1e3], "b": words, "c": [True, False] * 2, "d": [None] * 4, "e": 7})
    rows = storage.csv_rows(column.tolist() for _, column in table.items())
    assert rows == table.to_csv(header=False, index=False, lineterminator="\n").encode()


def test_rows_are_read_to_the_last_bit(write, monkeypatch: pytest.MonkeyPatch) -> None:
    """By pandas where rows are numbers alone, by NumPy where they are not: the same bits, and Python's."""
    values = hard_numbers()[:4000]
    values = values[np.isfinite(values).all(axis=1)]
    text = "".join(
        "\t".join(f"{number:.{digits}e}" for number in row) + "\n" for row in values for digits in (16, 25, 9)
    )
    expected = [[float(cell) for cell in line.split()] for line in text.splitlines()]
    found = rows._plain_numbers(text.splitlines(keepends=True))
    assert found is not None
    np.testing.assert_array_equal(found, expected)
    monkeypatch.setattr(rows, "_plain_numbers", lambda rows: None)
    path = write("endheader\ntime\ta\tb\tc\td\n" + text)
    np.testing.assert_array_equal(read_table(path).to_numpy(), np.array(expected)[:, 1:])


@pytest.mark.parametrize(
    "text", ["1 2\n3\n", "1 2\n3 4 5\n", "1-2 3\n", "1e 2\n", "1e999 2\n", "1 nan\n", "1 2\n\n", "1,5 2\n", "0x1 2\n"]
)
def test_rows_of_anything_else_are_left_to_the_strict_reader(text: str) -> None:
    assert rows._plain_numbers(text.splitlines(keepends=True)) is None


def test_nan_survives(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1.0, np.nan], "b": [np.nan, 2.0]}, index=pd.Index([0.0, 1.0], name="time"))
    read = read_table(write_table(table, tmp_path / "table.sto"))
    assert np.array_equal(read.to_numpy(), table.to_numpy(), equal_nan=True)


def test_header_of_a_written_file(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1.0], "b": [2.0]}, index=pd.Index([0.5], name="time"))
    path = write_table(table, tmp_path / "t.mot", name="two\nlines", in_degrees=True)
    *head, labels, numbers = path.read_text().splitlines()
    assert head == ["two lines", "version=1", "nRows=1", "nColumns=3", "inDegrees=yes", "endheader"]
    assert labels == "time\ta\tb"
    assert [float(word) for word in numbers.split("\t")] == [0.5, 1.0, 2.0]


def test_a_table_without_columns_can_be_written_and_read(tmp_path: Path) -> None:
    empty = pd.DataFrame(index=pd.Index([0.0, 1.0], name="time"))
    assert read_table(write_table(empty, tmp_path / "table.sto")).shape == (2, 0)


@pytest.mark.parametrize("label", ["left\thip", "time"])
def test_labels_that_would_break_the_file_are_refused(tmp_path: Path, label: str) -> None:
    table = pd.DataFrame({label: [1.0]}, index=pd.Index([0.0], name="time"))
    with pytest.raises(InputError, match="labels without tabs"):
        write_table(table, tmp_path / "table.sto")
    assert not any(tmp_path.iterdir())


def test_writing_over_a_folder_is_refused(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1.0]}, index=pd.Index([0.0], name="time"))
    (tmp_path / "table.sto").mkdir()
    with pytest.raises(InputError, match=r"table\.sto.*that of a folder"):
        write_table(table, tmp_path / "table.sto")
    assert [path.name for path in tmp_path.rglob("*")] == ["table.sto"]


def test_writing_into_no_folder_is_refused(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1.0]}, index=pd.Index([0.0], name="time"))
    with pytest.raises(InputError, match=r"absent.*existing folder"):
        write_table(table, tmp_path / "absent" / "table.sto")
    assert not any(tmp_path.iterdir())


def test_nothing_is_left_behind_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(tmp_path / "table.sto", "text")
    assert not any(tmp_path.iterdir())


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "table.sto"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "half of it \ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_written_files_have_ordinary_permissions(tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    write_atomically(tmp_path / "ours", "text")
    assert (tmp_path / "ours").stat().st_mode == ordinary.stat().st_mode


def test_rows_of_a_csv_are_those_of_pandas() -> None:
    columns = {
        "number": [0.1, float("nan"), 1e-300], "count": [1, 2, 3], "known": [True, False, None],
        "text": ["", 'a "quoted", word', "plain"],
    }  # fmt: skip
    assert csv_rows(columns.values()).decode() == pd.DataFrame(columns).to_csv(header=False, index=False)


def test_rows_of_a_csv_do_not_depend_on_their_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers keep every digit by both ways of writing, nan and None are empty, words are quoted where they must be."""
    numbers = [0.1, -2.5e-9, float("nan"), 1.0 / 3.0, 7e22]
    columns = [numbers, ["a", 'b "c", d', "", None, "a"], [True, False, True, True, False], [1, 2, 3, 4, 5]]
    texts = []
    for many in (0, 10_000):
        monkeypatch.setattr(storage, "MANY", many)
        texts.append([line.split(b",", 1) for line in csv_rows(columns).splitlines()])
    fast, plain = texts
    assert [float(text or "nan") for text, _ in fast] == pytest.approx(numbers, rel=0.0, abs=0.0, nan_ok=True)
    assert [float(text or "nan") for text, _ in plain] == pytest.approx(numbers, rel=0.0, abs=0.0, nan_ok=True)
    assert [rest for _, rest in fast] == [rest for _, rest in plain]
    assert fast[2][0] == b""
    assert fast[1][1] == b'"b ""c"", d",False,2'
    assert fast[3][1] == b",True,4"


def test_times_of_a_table_hold_no_other_columns(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A view of all columns would keep them as long as the times; rows are read in blocks, all of them in order."""
    monkeypatch.setattr(rows, "ROWS_AT_ONCE", 2)
    text = V1.replace("nRows=2", "nRows=7") + "time\tknee\thip\n" + "".join(f"{i}\t{i + 0.5}\t{-i}\n" for i in range(7))
    table = storage.read_columns(write(text))
    assert table.index.to_numpy().base is None or table.index.to_numpy().base.size == 7
    assert np.array_equal(table.index, np.arange(7.0))
    assert np.array_equal(table.to_numpy(), np.column_stack([np.arange(7) + 0.5, -np.arange(7.0)]))
