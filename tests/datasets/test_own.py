"""Data of one's own, from every kind of source, and what is refused."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from divulge.datasets import load, read_data
from divulge.errors import UnreadableFile

RNG = np.random.default_rng(0)


def table(n=40):
    """Columns of every kind and a class in words."""
    return pd.DataFrame(
        {
            "age": RNG.integers(18, 80, n),
            "income": RNG.normal(3e4, 1e4, n),
            "job": RNG.choice(["cook", "nurse", "pilot"], n),
            "married": np.arange(n) % 2 == 0,
            "grade": np.where(np.arange(n) % 4 < 3, "yes", "no"),
        }
    )


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_tables_columns_are_told(tmp_path, suffix):
    path, frame = tmp_path / f"t{suffix}", table()
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    data = load(str(path), "grade")
    assert [column.kind for column in data.columns] == ["integer", "numeric", "categorical", "binary"]
    assert data.class_names == ("no", "yes")
    assert data.classes == 2
    assert data.input_shape == (4,)
    assert len(data.train_inputs) + len(data.test_inputs) == 40
    rows = data.frame(data.train_inputs.numpy())
    assert rows.dtypes.astype(str).tolist()[:2] == ["int64", "float64"]
    merged = rows.merge(frame, on=["age", "income", "job", "married"])
    assert len(merged) == len(rows)
    assert (merged["grade"] == np.array(data.class_names)[data.train_targets]).all()


def test_the_split_is_the_seeds_and_even_in_the_classes():
    frame = table(200)
    one, again, other = (read_data(frame, "grade", seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.test_inputs, again.test_inputs)
    assert not torch.equal(one.test_inputs, other.test_inputs)
    assert abs(len(one.test_targets) - 40) <= 1
    assert abs(one.test_targets.double().mean() - 0.75) < 0.03
    assert len(read_data(frame, "grade", test_share=0.5).test_targets) == 100


def test_ranges_kinds_and_what_may_change():
    data = read_data(table(), "grade", fixed=["age"], ranges={"income": (0, 1e6)}, kinds={"age": "numeric"})
    age, income, job, married = data.columns
    assert (age.kind, age.may_change, income.may_change) == ("numeric", False, True)
    assert (income.low, income.high) == (0, 1e6)
    assert job.categories == ("cook", "nurse", "pilot")
    assert married.categories == (False, True)
    snapped = data.snap(np.array([[30.4, 2e6, 1.7, -3.0]]))
    np.testing.assert_array_equal(snapped, [[30.4, 1e6, 2.0, 0.0]])
    assert data.frame(snapped)["job"].tolist() == ["pilot"]


def pairs(n=24):
    """Inputs (n, 2, 3) and words."""
    return RNG.normal(size=(n, 2, 3)).astype(np.float32), np.array(["b", "a", "c"])[np.arange(n) % 3]


def test_arrays_torch_data_sets_and_loaders_say_the_same():
    x, y = pairs()
    numbers = np.unique(y, return_inverse=True)[1]
    whole = TensorDataset(torch.from_numpy(x), torch.from_numpy(numbers))
    made = [read_data((x, y)), read_data(whole), read_data(DataLoader(whole, batch_size=7))]
    assert made[0].class_names == ("a", "b", "c")
    assert made[1].class_names == (0, 1, 2)
    for data in made:
        assert data.input_shape == (2, 3)
        assert torch.equal(data.train_inputs, made[0].train_inputs)
        assert torch.equal(data.test_targets, made[0].test_targets)


def test_npz_with_one_part_or_two_and_npy(tmp_path):
    x, y = pairs()
    np.savez(tmp_path / "one.npz", x=x, y=y)
    np.savez(tmp_path / "two.npz", x_train=x[:20], y_train=y[:20], x_test=x[20:], y_test=y[20:])
    one, two = (read_data(tmp_path / f"{name}.npz") for name in ("one", "two"))
    assert one.class_names == two.class_names == ("a", "b", "c")
    assert torch.equal(two.test_inputs, torch.from_numpy(x[20:]))
    matrix = np.column_stack([RNG.normal(size=(20, 3)), np.arange(20) % 2])
    np.save(tmp_path / "m.npy", matrix)
    last = load(str(tmp_path / "m.npy"), "-1")
    assert last.input_shape == (3,)
    assert set(last.class_names) == {0, 1}
    assert torch.equal(last.test_inputs, load(str(tmp_path / "m.npy"), "3").test_inputs)


def test_bytes_are_shares_of_255(tmp_path):
    np.savez(tmp_path / "b.npz", x=np.full((8, 1, 2, 2), 51, np.uint8), y=np.arange(8) % 2)
    assert read_data(tmp_path / "b.npz").train_inputs.unique().tolist() == [np.float32(0.2)]


@pytest.mark.parametrize("grey", [True, False])
def test_a_folder_of_images_with_a_folder_for_each_class(tmp_path, grey):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for i in range(6):
            pixels = RNG.integers(0, 255, (4, 5) if grey else (4, 5, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    data = load(str(tmp_path))
    assert data.input_shape == (1 if grey else 3, 4, 5)
    assert data.class_names == ("cat", "dog")
    assert 0 <= data.train_inputs.min() <= data.train_inputs.max() <= 1
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "dog" / "x.png")
    with pytest.raises(UnreadableFile, match=r"x\.png: the image is 9x9, the first one is 5x4"):
        read_data(tmp_path)
    (tmp_path / "dog" / "x.png").write_bytes(b"no image")
    with pytest.raises(UnreadableFile, match=r"x\.png"):
        read_data(tmp_path)


class HuggingFaceLike:
    """What a data set of that library offers."""

    column_names = ("age", "grade")

    def to_pandas(self):
        return table()[["age", "grade"]]


def test_a_hugging_face_data_set_is_read_as_a_table():
    data = read_data(HuggingFaceLike(), "grade")
    assert [column.name for column in data.columns] == ["age"]


def broken(change):
    frame = table()
    change(frame)
    return frame


def put(column, value):
    def change(frame):
        frame[column] = frame[column].astype(object)
        frame.loc[3, column] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("income", np.nan), r"column 'income' has no entry \(NaN\) in row 3, 1 in all"),
        (put("job", None), r"column 'job' has no entry \(NaN\) in row 3"),
        (put("grade", None), r"column 'grade' names no class \(NaN\) in row 3"),
        (lambda f: f.insert(0, "k", 7), "column 'k' is constant, all its entries are 7: drop it"),
        (lambda f: f.insert(0, "when", pd.Timestamp("2020-01-01")), "column 'when' holds Timestamp"),
        (lambda f: f.insert(0, "when", [[1], [2]] * 20), "column 'when' holds list"),
        (lambda f: f.__setitem__("grade", "yes"), "two classes or more in column 'grade', all are 'yes'"),
        (lambda f: f.insert(0, "inf", [np.inf] * 39 + [1.0]), "column 'inf' holds inf in row 0"),
    ],
)
def test_a_table_that_cannot_be_used_names_the_culprit(change, message):
    with pytest.raises(ValueError, match=message):
        read_data(broken(change), "grade")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": None}, "expected a target, the column that holds the class, of 'age', 'income'"),
        ({"target": "class"}, "there is no column 'class' in table, which has 'age'"),
        ({"fixed": ["nothing"]}, "there is no column 'nothing'"),
        ({"kinds": {"job": "numeric"}}, "expected numbers in column 'job', got '(cook|nurse|pilot)'"),
        ({"kinds": {"income": "integer"}}, "expected whole numbers in the integer column 'income'"),
        ({"kinds": {"age": "word"}}, "expected column 'age' to be numeric, integer"),
        ({"kinds": {"job": "binary"}}, "expected two values in the binary column 'job'"),
        ({"ranges": {"age": (3, 1)}}, "expected a range low, high of column 'age', got 3, 1"),
        ({"test_share": 1.0}, "between 0 and 1, got 1.0"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        read_data(table(), **{"target": "grade", **options})


def test_unseen_categories_and_other_classes_are_named():
    data = read_data(table(), "grade")
    with pytest.raises(
        ValueError, match="column 'job' holds 'clerk', which is none of its categories 'cook'"
    ):
        data.columns[2].encode(pd.Series(["cook", "clerk"]))
    with pytest.raises(
        ValueError, match="the data's class 'yes' is none of the model's, which are 'no', 'x'"
    ):
        data.with_classes(["no", "x"])
    turned = data.with_classes(["yes", "perhaps", "no"])
    assert turned.classes == 3
    assert torch.equal(turned.train_targets == 0, data.train_targets == 1)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ((np.zeros((3, 2)), [0, 1]), ValueError, r"inputs of shape \(2, ...\), one for each target"),
        ((np.array([[np.nan, 1], [0, 1]]), [0, 1]), ValueError, r"hold nan in row 0 at \(0,\)"),
        ((np.array([["a"], ["b"]]), [0, 1]), ValueError, "inputs that are numbers, got dtype <U1"),
        ({"x": 1}, TypeError, "got dict"),
        ("none.csv", FileNotFoundError, "there is no file none.csv"),
        (TensorDataset(torch.zeros(3, 2)), ValueError, r"expected pairs \(input, target\)"),
        (TensorDataset(torch.zeros(0, 2), torch.zeros(0)), ValueError, "holds nothing"),
    ],
)
def test_sources_that_are_none(source, error, message):
    with pytest.raises(error, match=message):
        read_data(source)


def test_files_that_are_none(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"no table")
    (tmp_path / "a.xyz").write_bytes(b"?")
    np.savez(tmp_path / "a.npz", a=np.zeros(3))
    np.save(tmp_path / "a.npy", np.zeros(3))
    for name, message in [
        ("a.parquet", "is damaged, or no table"),
        ("a.xyz", r"tells no kind: expected \.csv"),
        ("a.npz", "should hold x and y, or x_train, y_train, x_test, y_test, got a"),
        ("a.npy", r"should be a matrix \(n, columns\), got shape \(3,\)"),
    ]:
        with pytest.raises(UnreadableFile, match=message):
            read_data(tmp_path / name, "a")
    with pytest.raises(UnreadableFile, match="a folder of images for each class, 0 hold any"):
        read_data(tmp_path)
    with pytest.raises(ValueError, match="a target column of a file alone, got 'a' for digits"):
        load("digits", "a")


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "int8", "float32"])
def test_rows_of_numbers_come_back_in_every_dtype(dtype):
    frame = table().astype({"age": dtype})
    data = read_data(frame, "grade")
    rows = data.frame(data.test_inputs.numpy())
    assert set(rows["age"]) <= set(frame["age"].astype(float))


def test_whole_numbers_beyond_their_dtype_do_not_wrap():
    data = read_data(table().astype({"age": "int8"}), "grade", ranges={"age": (0, 200)})
    rows = data.frame(np.array([[150.0, 1.0, 0.0, 1.0], [-130.0, 1.0, 0.0, 1.0]]))
    assert rows["age"].tolist() == [150, -130]


def test_words_and_truth_values_come_back_in_their_dtype():
    frame = table().assign(level=np.arange(40) % 3)
    frame["job"] = pd.Categorical(frame["job"], categories=["pilot", "none", "cook", "nurse"])
    data = read_data(frame, "grade", kinds={"level": "categorical"})
    rows = data.frame(data.test_inputs.numpy())
    assert rows.dtypes.to_dict() == frame.drop(columns="grade").dtypes.to_dict()


def test_infinite_numbers_do_not_end_in_a_traceback():
    x, y = np.random.default_rng(0).normal(size=(40, 2)), np.linspace(0, 1, 40)
    y[3] = np.inf
    with pytest.raises(ValueError, match="expected finite numbers in the targets, row 3 has inf"):
        read_data((x, y))


def test_targets_in_a_table_of_their_own_are_refused():
    frame = table()
    with pytest.raises(ValueError, match=r"one class a row in the targets, got an array of shape \(40, 1\)"):
        read_data((frame[["age", "income"]], frame[["grade"]]))


def test_a_data_set_is_shown_in_a_line():
    frame = pd.DataFrame({"age": range(10), "own": [0, 1] * 5, "grade": ["no", "yes"] * 5})
    shown = repr(read_data(frame, "grade"))
    assert shown.startswith(
        "Dataset('table', 8 inputs to train on, 2 to test on, shape (2,), columns age, own"
    )
    assert len(shown) < 150


ROWS = [{"age": 20.0 + i, "job": ["cook", "clerk"][i % 2], "kind": "ab"[i % 3 == 0]} for i in range(30)]


class Held(torch.utils.data.Dataset):
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


class Streamed(torch.utils.data.IterableDataset):
    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: DataLoader(data, 7)])
@pytest.mark.parametrize("kind", [Held, Streamed])
def test_dicts_of_single_entries_are_rows_of_a_table(kind, wrap):
    data = read_data(wrap(kind(ROWS)), "kind", fixed=["age"])
    known = read_data(pd.DataFrame(ROWS), "kind", fixed=["age"])
    assert torch.equal(data.train_inputs, known.train_inputs)
    assert torch.equal(data.test_targets, known.test_targets)
    assert data.class_names == ("a", "b")
    assert [(c.name, c.kind, c.may_change) for c in data.columns] == [
        ("age", "numeric", False), ("job", "categorical", True),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [Held, Streamed])
def test_dicts_of_one_input_and_pairs_are_inputs(kind):
    x, y = RNG.random((12, 2, 3)).astype(np.float32), np.arange(12) % 2
    known = read_data((x, y))
    dicts = [{"pixels": torch.from_numpy(row), "label": int(one)} for row, one in zip(x, y, strict=True)]
    for data in (read_data(kind(dicts), "label"), read_data(kind(list(zip(x, y, strict=True))))):
        assert torch.equal(data.train_inputs, known.train_inputs)
        assert torch.equal(data.test_targets, known.test_targets)


@pytest.mark.parametrize(
    ("items", "target", "message"),
    [
        (ROWS, None, "expected target=, the entry that holds the class, .* 'age', 'job', 'kind'"),
        (ROWS, "wage", "expected an entry 'wage', .* 'age', 'job', 'kind'"),
        ([*ROWS, {"age": 3.0}], "kind", "dicts of 'age', 'job', 'kind' alone .* got one of 'age'"),
        ([*ROWS, (1, 2)], "kind", "got one of tuple"),
        ([{"a": np.zeros(3), "b": 1.0, "y": 1}], "y", r"'a', 'b', 'y' with 'a' of shape \(3,\)"),
        ([], "y", "holds nothing"),
    ],
)  # fmt: skip
def test_dicts_that_are_no_table_name_the_culprit(items, target, message):
    with pytest.raises(ValueError, match=message):
        read_data(Streamed(items), target)


def test_an_entry_of_several_shapes_is_named():
    ragged = [{"a": np.zeros(3 + i), "y": i} for i in range(3)]
    with pytest.raises(
        ValueError, match=r"expected 'a' of one shape in the data set, got \[\(3,\), \(4,\)\]"
    ):
        read_data(Held(ragged), "y")
    alone = DataLoader(Held(ROWS), 4, collate_fn=lambda rows: {"age": 3.0, "kind": "a"})
    with pytest.raises(ValueError, match="expected batches of 'age' in the data set, got a single entry"):
        read_data(alone, "kind")


def test_numbers_beside_words_are_not_made_words():
    mixed = [{"age": 3.0 if i % 2 else "old", "kind": i % 2} for i in range(6)]
    with pytest.raises(ValueError, match="column 'age' holds float"):
        read_data(Held(mixed), "kind")


def test_batches_of_a_sampler_are_joined():
    x, y = RNG.random((12, 3)), np.arange(12) % 2
    pairs = TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
    batches = [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11]]
    data = read_data(DataLoader(pairs, batch_sampler=batches))
    assert torch.equal(data.train_inputs, read_data((x, y)).train_inputs)


@pytest.mark.parametrize("batch", [None, 7])
def test_a_stream_without_an_end_is_refused(batch, monkeypatch):
    monkeypatch.setattr("divulge.datasets.foreign.MOST_ROWS", 100)
    read = []

    class Endless(torch.utils.data.IterableDataset):
        def __iter__(self):
            while True:
                read.append(1)
                yield np.zeros(2), len(read) % 2

    with pytest.raises(ValueError, match="expected data that end, DataLoader yields over 100 rows"):
        read_data(DataLoader(Endless(), batch))
    assert len(read) < 120


def test_one_split_is_to_be_chosen():
    class Table:
        column_names = ("a", "y")

    with pytest.raises(TypeError, match=r"one split of dict, such as data\['train'\], of 'train', 'test'"):
        read_data({"train": Table(), "test": Table()}, "y")


def test_a_table_without_rows_is_refused():
    table = pd.DataFrame({"a": [1.0, 2.0], "y": ["u", "v"]})[:0]
    with pytest.raises(ValueError, match="there are no rows: column 'y' is empty"):
        read_data(table, "y")
    with pytest.raises(ValueError, match="there are no rows"):
        read_data((np.zeros((0, 3)), np.zeros(0, int)))


@pytest.mark.parametrize("number", [np.float64, np.float32, np.int64])
def test_targets_that_hardly_repeat_are_numbers(number):
    told = (1000 * np.random.default_rng(0).normal(size=90)).astype(number)
    data = read_data((np.random.default_rng(1).normal(size=(90, 2)), told), seed=3)
    assert data.numbers
    assert "numbers as targets" in repr(data)
    assert data.train_targets.dtype == torch.float64
    found = np.sort(torch.cat([data.train_targets, data.test_targets]).numpy())
    np.testing.assert_array_equal(found, np.sort(told.astype(float)))
    other = read_data((np.random.default_rng(1).normal(size=(90, 2)), told), seed=4)
    assert not torch.equal(data.test_targets, other.test_targets)
    with pytest.raises(ValueError, match="expected classes, the targets of arrays are numbers"):
        _ = data.classes
    with pytest.raises(ValueError, match="names classes, 'a', 'b', and targets of arrays are numbers"):
        data.with_classes(("a", "b"))


def test_the_kind_of_a_target_says_whether_it_is_numbers():
    frame = table()
    frame["level"] = np.arange(len(frame)) % 4
    assert not read_data(frame, "level").numbers
    told = read_data(frame, "level", kinds={"level": "numeric"})
    assert told.numbers
    assert not read_data(frame, "income", kinds={"income": "categorical"}).numbers
    with pytest.raises(ValueError, match="expected numbers in column 'job', got"):
        read_data(frame, "job", kinds={"job": "numeric"})
    with pytest.raises(ValueError, match="expected different numbers in column 'level', all are 2"):
        read_data(frame.assign(level=2), "level", kinds={"level": "numeric"})
    with pytest.raises(ValueError, match="expected a kind of column 'level' of numeric"):
        read_data(frame, "level", kinds={"level": "strange"})
