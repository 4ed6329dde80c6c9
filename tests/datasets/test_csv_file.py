"""CSV files with semicolons, decimal commas, words that pass for gaps, and numbers that are too large."""

import numpy as np
import pandas as pd
import pytest

from divulge.datasets import read_data
from divulge.errors import UnreadableFile


def written(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "table.csv"
    path.write_text(text, encoding=encoding)
    return path


def rows(line, count=10):
    return "".join(line.format(i=i, word="ab"[i % 2]) for i in range(count))


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_separators_are_told(tmp_path, mark, encoding):
    head = mark.join(["age", "y"]) + "\n"
    data = read_data(written(tmp_path, head + rows("{i}" + mark + "{word}\n"), encoding), "y")
    assert [column.name for column in data.columns] == ["age"]
    assert data.class_names == ("a", "b")


def test_a_separator_in_quotes_is_none(tmp_path):
    data = read_data(written(tmp_path, '"a;b;c;d",y\n' + rows("{i},{word}\n")), "y")
    assert data.columns[0].name == "a;b;c;d"


def test_decimal_commas_where_semicolons_separate(tmp_path):
    data = read_data(written(tmp_path, "x;z;y\n" + rows("{i},5;-{i};{word}\n")), "y")
    assert [column.kind for column in data.columns] == ["numeric", "integer"]
    assert data.columns[0].high == 9.5


def test_words_for_gaps_are_words_among_words(tmp_path):
    text = "job,y\n" + "None,a\nNA,b\ncook,a\ncook,b\nNone,a\nNA,None\nnull,None\n"
    data = read_data(written(tmp_path, text), "y")
    assert data.columns[0].categories == ("NA", "None", "cook", "null")
    assert data.class_names == ("None", "a", "b")


def test_words_for_gaps_among_numbers_are_named(tmp_path):
    path = written(tmp_path, "x,y\n" + rows("{i},{word}\n") + "NA,a\nNA,b\n")
    with pytest.raises(UnreadableFile, match="column 'x' holds 'NA' in row 10 among numbers, 2 in all"):
        read_data(path, "y")


def test_empty_entries_are_gaps(tmp_path):
    path = written(tmp_path, "x,z,y\n" + rows("{i},{i},{word}\n") + "3,,a\n")
    with pytest.raises(ValueError, match="column 'z' has no entry"):
        read_data(path, "y")


def test_whole_numbers_that_float64_does_not_tell_apart_are_named(tmp_path):
    path = written(tmp_path, "id,y\n" + rows("900719925474099{i},{word}\n"))
    with pytest.raises(ValueError, match="column 'id' holds 9007199254740999 in row 9: float64 tells"):
        read_data(path, "y")
    frame = pd.DataFrame({"id": np.arange(10) + 2**53 - 20, "y": list("ab") * 5})
    assert read_data(frame, "y").columns[0].high == 2**53 - 11


def test_an_empty_file_is_named(tmp_path):
    with pytest.raises(UnreadableFile, match=r"table\.csv"):
        read_data(written(tmp_path, ""), "y")


@pytest.mark.parametrize("head", ['x;"a,b,c";y\n', "price, EUR;b;y\n", '"in $, | or 	";b;y\n'])
def test_a_separator_in_a_name_is_none(tmp_path, head):
    data = read_data(written(tmp_path, head + rows("{i},5;{i};{word}\n")), "y")
    assert [column.name for column in data.columns] == [
        name.strip('"') for name in head.strip().split(";")[:-1]
    ]
    assert data.columns[0].high == 9.5


def test_separators_at_the_end_of_rows_shift_nothing(tmp_path):
    data = read_data(written(tmp_path, "x,z,y\n" + rows("{i},-{i},{word},\n")), "y")
    assert [(column.name, column.low) for column in data.columns] == [("x", 0.0), ("z", -9.0)]


def test_rows_longer_than_the_first_line_are_refused(tmp_path):
    path = written(tmp_path, "x,z,y\n" + rows("{i},-{i},{word},7\n"))
    with pytest.raises(UnreadableFile, match="first line has fewer names"):
        read_data(path, "y")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("1.23{i},56;{i};{word}\n", "'x' holds '1.230,56' in row 0"),
        ("1'23{i};{i};{word}\n", "'x' holds \"1'230\" in row 0"),
        ("{i};1.23{i}.000;{word}\n", "'z' holds '1.230.000' in row 0"),
        ("{i},5;{i}.25;{word}\n", "'z' holds '0.25' in row 0"),
    ],
)
def test_numbers_in_other_notations_are_no_words(tmp_path, line, told):
    with pytest.raises(UnreadableFile, match=told):
        read_data(written(tmp_path, "x;z;y\n" + rows(line)), "y")


def test_decimal_commas_and_thousands_in_quotes_are_no_words(tmp_path):
    for number in ("{i},5", "1,23{i}.5"):
        with pytest.raises(UnreadableFile, match="write numbers without marks of thousands"):
            read_data(written(tmp_path, "x,y\n" + rows(f'"{number}",{{word}}\n')), "y")


def test_words_for_gaps_among_decimal_commas_are_named(tmp_path):
    path = written(tmp_path, "x;y\n" + rows("-{i},5e-1;{word}\n") + "NA;a\n")
    with pytest.raises(UnreadableFile, match="column 'x' holds 'NA' in row 10 among numbers, 1 in all"):
        read_data(path, "y")


def test_an_empty_column_is_named(tmp_path):
    with pytest.raises(ValueError, match="column 'z' has no entry"):
        read_data(written(tmp_path, "x,z,y\n" + rows("{i},,{word}\n")), "y")
