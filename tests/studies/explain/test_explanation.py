"""What is told of tasks from the attributions of their networks."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.studies.explain.explanation import Subject, explain
from pipeline.studies.explain.figures import example_panels, word_panels
from pipeline.studies.explain.page import explanation_page
from tests.analysis.made import by_plotly
from tests.studies.explain.test_text_attributions import LOVE, Knows, explained, rows, tagger

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
    assert 'rgba(63,143,210,1.0)" title="1.00 of the most">love</span>' in page
    assert 'rgba(63,143,210,0.0)" title="0.00 of the most">film</span>' in page
    assert "posts, texts of validation" in page
    assert "nan" not in page[: page.index("<script")].lower()


def test_texts_beside_columns_keep_their_tables_apart() -> None:
    from pipeline.studies.explain.attributions import Explained
    from pipeline.studies.explain.inputs import inputs_of

    column = nn.Linear(2, 1).requires_grad_(False)
    table = Subject("people", Explained("regression", inputs_of((2,), None), column, None, (1, 1)), None,
                    torch.tensor([[1.0, 2.0], [3.0, 5.0]]))  # fmt: skip
    found, _ = told(loves=reads(LOVE), price=table)
    assert set(found.importance["task"]) == {"price"}
    assert set(found.words["task"]) == {"loves"}
    assert found.sharing.empty
    assert isinstance(found.importance, pd.DataFrame)
