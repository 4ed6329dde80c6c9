import pytest

from divulge.registry import Entry, Registry, split_list


def make(needed, first=1, second=0.5, third=False):
    return needed, first, second, third


THINGS = Registry(
    "a thing",
    {
        "plain": Entry(lambda needed: needed),
        "set": Entry(make, ("first", "second", "third")),
        "strict": Entry(lambda needed, size: (needed, size), ("size",)),
    },
)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("plain", "x"),
        ("set", ("x", 1, 0.5, False)),
        ("set:7", ("x", 7, 0.5, False)),
        ("set:first=7", ("x", 7, 0.5, False)),
        ("set:7,third=true", ("x", 7, 0.5, True)),
        ("set:second=1e-3,first=-2", ("x", -2, 1e-3, False)),
        ("set:first=16x8", ("x", (16, 8), 0.5, False)),
        ("strict:3", ("x", 3)),
        ("strict:size=3", ("x", 3)),
    ],
)
def test_a_text_names_a_thing_and_its_parameters(text, made):
    assert THINGS.make(text, "x") == made


def test_what_is_common_gives_way_to_the_text():
    assert THINGS.make("set:7", "x", first=3, second=2.0) == ("x", 7, 2.0, False)


def test_it_is_a_mapping_of_names():
    assert list(THINGS) == ["plain", "set", "strict"]
    assert len(THINGS) == 3
    assert "set" in THINGS
    assert THINGS["set"].parameters == ("first", "second", "third")
    assert THINGS.parse("set:2,third=false") == ("set", {"first": 2, "third": False})


@pytest.mark.parametrize("text", ["other", "", "Set", "set+plain", 3, None, {"set": {"first": 3}}])
def test_every_unknown_name_gives_one_text(text):
    with pytest.raises(ValueError, match=r"^expected a thing named plain, set, strict, got") as failure:
        THINGS.make(text, "x")
    assert str(failure.value).endswith(repr(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plain:3", "expected no parameter behind the colon, got '3' in 'plain:3'"),
        ("plain:", "expected no parameter behind the colon"),
        ("set:fourth=3", "the parameters first, second, third behind the colon, got 'fourth'"),
        ("set:1,2", "the parameters first, second, third behind the colon, got '2'"),
        ("set:1,first=2", "first once behind the colon"),
        ("set:x", "a number behind the colon of 'set:x', got 'x'"),
        ("set:", "a number behind the colon of 'set:', got ''"),
        ("set:third=yes", "got 'yes'"),
        ("strict", "expected size behind the colon, as in strict:size=..., got 'strict'"),
    ],
)
def test_other_parameters_are_named(text, message):
    with pytest.raises(ValueError, match=message):
        THINGS.make(text, "x")


def test_a_parameter_of_another_kind_is_a_value_error():
    whole = Registry("a thing", {"whole": Entry(lambda n=1: range(n), ("n",))})
    with pytest.raises(ValueError, match=r"whole:1\.5: .*float"):
        whole.make("whole:1.5")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("none", ["none"]),
        ("none,top:5", ["none", "top:5"]),
        ("noisy:sigma=1,seed=3,top:5", ["noisy:sigma=1,seed=3", "top:5"]),
        ("noisy:1,seed=3+top:5,none", ["noisy:1,seed=3+top:5", "none"]),
        ("rounded:2+noisy:sigma=1,seed=3", ["rounded:2+noisy:sigma=1,seed=3"]),
    ],
)
def test_lists_of_texts(text, parts):
    assert split_list(text) == parts
