from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import divulge
from divulge.report.leaks import faithfulness, queries_until


def test_a_row_for_each_explanation_and_each_defence_that_touches_it(report):
    pairs = list(zip(report.table.explanation, report.table.defence, strict=True))
    assert pairs == [
        ("label", "none"),
        ("gradient", "none"),
        ("gradient", "rounded:1"),
        ("gradient", "top:5"),
    ]
    assert len(report.curves) == 8
    table = report.table.set_index(["explanation", "defence"])
    gradient = table.loc[("gradient", "none")]
    assert gradient.rank_correlation == pytest.approx(1)
    assert 16 < gradient.exact < 3000
    assert np.isnan(table.loc[("label", "none")].exact)
    assert gradient.best > table.loc[("label", "none")].best
    assert 0 < table.loc[("gradient", "top:5")].rank_correlation < 0.9


def test_the_summary_names_every_pair(report):
    said = report.summary()
    assert len(said) == 4
    assert "rebuilt exactly" in said[1]
    assert "top:5" in said[3]
    assert "honest user" in said[3]


class Page(HTMLParser):
    """Counts what is open, and keeps names and links."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.links, self.ids = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        attributes = dict(attrs)
        self.links += [v for k, v in attrs if k in ("src", "href", "xlink:href")]
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_from_elsewhere(report, tmp_path):
    report.save(tmp_path / "leaks.html")
    text = (tmp_path / "leaks.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert not page.open
    assert "script" not in page.tags
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert page.tags.count("svg") == 2
    assert page.tags.count("tr") == 5
    assert len(page.ids) == len(set(page.ids))
    assert 'name="viewport"' in text
    assert "@import" not in text
    assert text == report.html()


def test_names_are_escaped(victim, digits):
    report = divulge.leak_report(
        victim,
        digits,
        oracles={"<b>": divulge.LabelOracle},
        defences={"none": lambda oracle: oracle},
        budgets=(5,),
        steps=1,
    )
    assert "&lt;b&gt;" in report.html()
    assert "<b>" not in report.html()


def test_where_a_curve_reaches_a_level():
    curve = pd.DataFrame({"queries": [10, 1000], "agreement": [0.8, 1.0]})
    assert queries_until(curve, 0.9) == pytest.approx(100)
    assert queries_until(curve, 0.5) == pytest.approx(10)
    assert np.isnan(queries_until(curve.assign(agreement=[0.1, 0.2]), 0.9))


def test_faithfulness_is_the_mean_rank_correlation_of_sizes():
    a = np.array([[1.0, -2.0, 3.0], [3.0, 2.0, 1.0]])
    assert faithfulness(a, 10 * a) == pytest.approx(1)
    assert faithfulness(a, a[:, ::-1]) == pytest.approx(-1)
    assert faithfulness(a, np.ones((2, 3))) == 0


@pytest.mark.parametrize(
    ("oracles", "defences", "message"),
    [
        (("rumour",), ("none",), "an oracle named label, .* got 'rumour'"),
        (("gradient",), ("blur",), "a defence named none, .* got 'blur'"),
        (("gradient",), ("rounded:x",), "number behind the colon of 'rounded:x'"),
        (("gradient",), ("rounded:1.5",), "a whole number, got 1.5"),
        (("gradient",), ("top:0",), "k between 1 and 64, got 0"),
        (("label",), ("sign",), "at least one oracle with a defence"),
    ],
)
def test_senseless_names(victim, digits, oracles, defences, message):
    with pytest.raises(ValueError, match=message):
        divulge.leak_report(victim, digits, oracles=oracles, defences=defences, budgets=(5,), steps=1)
