"""What is told of tasks from the attributions of their networks."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.reports.figures.style import DIVERGING
from pipeline.serving.specification import TaskSpec
from pipeline.studies.explain.attributions import Explained
from pipeline.studies.explain.explanation import Subject, Told, explain
from pipeline.studies.explain.figures import example_panels, word_panels
from pipeline.studies.explain.inputs import inputs_of
from pipeline.studies.explain.page import explanation_page
from tests.analysis.made import by_plotly
from tests.studies.explain.test_text_attributions import LOVE, Knows, Shaped, explained, rows, tagger

HATE = LOVE + 1
X = rows(*["the film love it hate", "the film love", "it hate the film", "<b> & the love"] * 3)


def reads(word: int, source: str = "posts", x: Tensor = X) -> Subject:
    return Subject(source, explained(Knows(word), width=1), None, x)


def silent() -> Subject:
    """A tagger that finds nothing."""
    it = tagger()
    it.network[1][2].bias.copy_(torch.tensor([99.0, 0.0, 0.0]))
    return Subject("posts", it, None, X)


def told(**subjects: Subject):
    lines: list[str] = []
    return explain(subjects, 0, lines.append), lines


def test_words_are_told_by_how_much_an_occurrence_counts() -> None:
    found, _ = told(loves=reads(LOVE))
    assert found.importance.empty
    assert set(found.words["method"]) == {"gradients", "occlusion"}
    words = found.words.query("method == 'gradients'").set_index("word")
    assert words.index[0] == "love"
    assert set(words.index) == {"love", "the", "film", "it", "hate"}
    assert words.loc["love", "times"] == 9
    # 1 each at 9 of 48 tokens.
    assert words.loc["love", "strength"] == pytest.approx(48 / 9)
    assert words.loc[["the", "hate"], "strength"].tolist() == [0.0, 0.0]


def test_tasks_of_one_source_are_compared_in_rows_and_those_of_several_by_words() -> None:
    found, _ = told(loves=reads(LOVE), too=reads(LOVE), hates=reads(HATE), far=reads(LOVE, "others", X[:8]))
    level = found.sharing.query("method == 'gradients'").set_index(["task", "against"])
    assert level.loc[("loves", "too"), ["rows", "means"]].tolist() == pytest.approx([1.0, 1.0])
    assert level.loc[("loves", "hates"), "means"] < 0
    assert np.isnan(level.loc[("loves", "far"), "rows"])
    assert level.loc[("loves", "far"), "means"] == pytest.approx(1.0)


def test_tasks_whose_networks_hold_out_other_rows_are_compared_on_average_only() -> None:
    found, _ = told(loves=reads(LOVE), later=reads(LOVE, x=X[:8]), other=reads(LOVE, x=X.flip(0)))
    level = found.sharing.query("method == 'gradients'").set_index(["task", "against"])
    for pair in (("loves", "later"), ("loves", "other"), ("later", "other")):
        assert np.isnan(level.loc[pair, "rows"])
        assert level.loc[pair, "means"] == pytest.approx(1.0)
    assert [list(it.maps) for it in found.examples] == [["loves"]] * 4 + [["later"]] * 4 + [["other"]] * 4
    assert [found.examples[place].tokens[2] for place in (0, 8)] == ["love", "the"]


def test_networks_of_one_source_may_be_explained_by_other_methods_each() -> None:
    plain = reads(HATE)
    plain = replace(plain, network=replace(plain.network, embedded=None))
    found, _ = told(loves=replace(reads(LOVE), another=plain.network), hates=plain)
    checks = found.checks.set_index(["task", "method"])["another_seed"]
    assert list(checks.index) == [("loves", "gradients"), ("loves", "occlusion"), ("hates", "occlusion")]
    assert np.isnan(checks["loves", "gradients"])
    assert checks["loves", "occlusion"] < 0
    assert set(found.examples[0].maps) == {"loves", "hates"}
    assert found.sharing["method"].tolist() == ["occlusion"]


def test_rows_without_an_entity_are_left_out() -> None:
    it = tagger()
    x = torch.cat([X, rows("", "", "")])
    found, lines = told(who=Subject("posts", it, None, x), loves=reads(LOVE, x=x))
    named = int(lines[0].removeprefix("who: ").split()[0])
    assert 0 < named <= len(X)
    assert lines[1] == "loves: 15 rows explained"
    assert found.words.query("task == 'who'")["times"].max() <= 12
    assert found.checks["randomised"].notna().all()


def test_a_tagger_that_finds_nothing_is_left_out_and_alone_is_a_mistake() -> None:
    found, lines = told(who=silent(), loves=reads(LOVE))
    assert lines[0] == "who: no entity is predicted, so there is nothing to explain"
    assert set(found.checks["task"]) == {"loves"}
    with pytest.raises(UserError, match=r"train longer, or raise explain\.rows"):
        told(who=silent())


def test_a_network_without_an_embedding_is_explained_by_occlusion() -> None:
    it = reads(LOVE)
    found, _ = told(loves=replace(it, network=replace(it.network, embedded=None)))
    assert found.checks["method"].tolist() == ["occlusion"]
    np.testing.assert_allclose(found.examples[0].maps["loves"], [0, 0, 1, 0, 0], atol=1e-6)


def test_examples_are_texts_and_what_counts_in_them() -> None:
    found, _ = told(loves=reads(LOVE), hates=reads(HATE))
    first = found.examples[0]
    assert (first.source, first.image) == ("posts", None)
    assert first.tokens == ["the", "film", "love", "it", "hate"]
    np.testing.assert_allclose(first.maps["loves"], [0, 0, 1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(first.maps["hates"], [0, 0, 0, 0, 1], atol=1e-6)


def test_the_page_tints_tokens_and_draws_words() -> None:
    found, _ = told(loves=reads(LOVE), hates=reads(HATE))
    assert example_panels(found.examples) == []
    (panel, _) = word_panels(found.words)
    assert panel.caption == "loves: words"
    assert [bar.name for bar in by_plotly(panel.figure).data] == ["integrated gradients", "occlusion"]
    assert by_plotly(panel.figure).data[0].y[0] == "love (9)"
    assert by_plotly(panel.figure).data[0].x[0] == pytest.approx(48 / 9)
    page = explanation_page("tiny", "default", found)
    assert '<span class="tint much" style="--share:1.00" title="+1.00 of the most">love</span>' in page
    assert '<span class="tint" style="--share:0.00" title="+0.00 of the most">film</span>' in page
    assert "posts, texts of validation" in page
    assert "nan" not in page[: page.index("<script")].lower()


def test_texts_beside_columns_keep_their_tables_apart() -> None:
    column = nn.Linear(2, 1).requires_grad_(False)
    table = Subject("people", Explained("regression", inputs_of((2,), None), column, None, (1, 1)), None,
                    torch.tensor([[1.0, 2.0], [3.0, 5.0]]))  # fmt: skip
    found, _ = told(loves=reads(LOVE), price=table)
    assert set(found.importance["task"]) == {"price"}
    assert set(found.words["task"]) == {"loves"}
    assert found.sharing.empty
    assert isinstance(found.importance, pd.DataFrame)


def judged(word: int, truth: list[int], kind: str = "binary", x: Tensor = X) -> Subject:
    """Rows without the word are class 1, and all others too, but with more doubt."""
    after = nn.Linear(1, 1).requires_grad_(False)
    after.weight.fill_(-2.0)
    after.bias.fill_(1.0)
    network = explained(Knows(word), after, kind=kind, width=1)
    return Subject("posts", network, None, x, TaskSpec(kind, "posts", ["<no>", "yes"]), np.array(truth))


def test_beside_an_example_stands_what_is_true_and_what_is_predicted_and_what_speaks_against_it() -> None:
    # Of each four rows the second, third and fourth have `the`, the third last; with `hate` it is predicted as no.
    found, _ = told(hates=judged(HATE, [0, 1, 0, 0] * 3))
    first, second, _, fourth = found.examples
    assert first.told["hates"] == Told("<no>", "<no> (73.1 %)", False)
    np.testing.assert_allclose(first.maps["hates"], [0, 0, 0, 0, 2], atol=1e-5)  # for no, which it is
    assert second.told["hates"] == Told("yes", "yes (73.1 %)", False)
    assert fourth.told["hates"] == Told("<no>", "yes (73.1 %)", True)
    page = explanation_page("tiny", "default", found)
    assert "<td>&lt;no&gt;</td><td>&lt;no&gt; (73.1 %)</td>" in page
    assert "<td>&lt;no&gt;</td><td><strong>yes (73.1 %)</strong><small>wrong</small></td>" in page
    assert "<no>" not in page


def test_what_speaks_against_a_prediction_is_marked_by_more_than_colour() -> None:
    network = nn.Sequential(Shaped(Knows(HATE)), nn.Linear(1, 1, bias=False)).requires_grad_(False)
    network[1].weight.fill_(-1.0)
    it = Subject("posts", replace(reads(HATE).network, network=network, embedded=network[0].trunk.embedded), None, X)
    found, _ = told(hates=it)
    assert found.examples[0].maps["hates"][4] == pytest.approx(-1.0)
    page = explanation_page("tiny", "default", found)
    assert '<span class="tint against much" style="--share:1.00" title="-1.00 of the most">hate</span>' in page


def test_half_of_the_examples_are_wrong_as_far_as_there_are_such() -> None:
    right, wrong = [0, 1, 0, 1] * 3, [1, 0, 1, 0] * 3
    for truth, mistakes in ((right, 0), ([*right[:10], 0, 0], 1), (wrong, 4), (right[:4] + wrong[4:], 2)):
        found, _ = told(hates=judged(HATE, truth))
        assert sum(it.told["hates"].wrong for it in found.examples) == mistakes
        assert len(found.examples) == 4


def test_a_row_of_a_table_is_shown_by_its_columns_that_count_most() -> None:
    columns = [
        {"name": "area", "kind": "numeric", "mean": 100.0, "std": 10.0, "marked": True},
        {"name": "town", "kind": "categorical", "values": ["Bern", "<Oslo>"]},
        *({"name": f"c{number}", "kind": "numeric", "mean": 0.0, "std": 1.0} for number in range(8)),
    ]
    size = 9 + 1 + 1  # numbers, the mark, the code
    line = nn.Linear(size, 1, bias=False).requires_grad_(False)
    line.weight.copy_(torch.tensor([[-1.0, *[0.01] * 8, 0.0, 3.0]]))
    x = torch.zeros(3, size)
    x[0, 0], x[0, -1] = 0.5, 2.0
    x[1, 9], x[1, -1] = 1.0, 1.0
    x[:, 1:9] = 1.0
    inputs = inputs_of((size,), {"kind": "table", "columns": columns})
    it = Explained("regression", inputs, line, None, (1,) * size)
    task = TaskSpec("regression", "houses", [], mean=10.0, std=2.0)
    found, _ = told(price=Subject("houses", it, None, x, task, np.array([0.0, 1.0, np.nan], np.float32)))
    first, second, third = found.examples
    assert first.tokens[:3] == ["area = 105", "town = <Oslo>", "c0 = 1"]
    assert second.tokens[:2] == ["area (missing)", "town = Bern"]
    assert third.tokens[1] == "town (missing or unknown)"
    np.testing.assert_allclose(first.maps["price"][:2], [-0.5, 6.0], atol=1e-6)
    assert first.told["price"] == Told("10", "21.16", False)
    page = explanation_page("tiny", "default", found)
    cell = re.search(r"<td>10</td><td>21.16</td><td>(.*?)</td>", page)
    assert cell is not None
    assert re.findall(r">([^<>]+)</span>", cell[1])[:2] == ["town = &lt;Oslo&gt;", "area = 105"]
    assert cell[1].count("<span") == 8
    assert 'class="tint against"' in cell[1]


def test_images_have_what_is_predicted_in_words_and_signs_on_their_maps() -> None:
    line = nn.Linear(4, 1).requires_grad_(False)
    line.weight.copy_(torch.tensor([[3.0, -2.0, 0.0, 0.0]]))
    line.bias.fill_(0.0)
    it = Explained("binary", inputs_of((2, 2), None), line, nn.Identity(), (1,) * 4)
    x = torch.tensor([[1.0, 0.5, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    it = replace(it, network=nn.Sequential(it.embedded, line), embedded=None)  # type: ignore[arg-type]
    subject = Subject("images", it, None, x, TaskSpec("binary", "images", ["no", "yes"]), np.array([1, 1]))
    found, _ = told(dark=subject)
    panels = example_panels(found.examples)
    assert [it.caption for it in panels] == ["images, image 1 of validation", "images, image 2 of validation"]
    assert panels[0].sentence == "dark: predicted yes (88.1 %), true yes."
    assert panels[1].sentence == "dark: predicted no (88.1 %), true yes, wrong."
    assert "dark: predicted no (88.1 %), true yes, wrong. Most of what counts lies in the" in panels[1].alt
    figure = by_plotly(panels[0].figure)
    _, pixels, minus = figure.data
    assert (pixels.zmin, pixels.zmax, pixels.z[0][0]) == (-1, 1, 1.0)
    assert [tuple(it) for it in pixels.colorscale] == list(DIVERGING)
    assert (list(minus.x), list(minus.y), list(minus.text)) == ([1], [0], ["−"])
    assert "25 % of it speaks against the answer." in panels[0].alt
    assert [it.text for it in figure.layout.annotations] == ["the image", "dark ✓"]
    wrong = by_plotly(panels[1].figure)
    assert [it.text for it in wrong.layout.annotations] == ["the image", "dark ✗"]
    assert wrong.data[1].z[0][1] == 1.0  # dark pixels speak against yes, and so for no
