"""Drafts as YAML: whatever names and comments hold, the file says what was meant."""

import pytest
import yaml
from hypothesis import given, settings, strategies as st

from pipeline.config.tasks import ROOM, plain
from pipeline.drafts.writing import Draft, task_names

NAMES = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("\n\r\t #:-?[]{}'\"&*!|>%@`,\x1b\u2028\u202e\x85")
)
WORDS = [
    "on",
    "no",
    "null",
    "007",
    "1e5",
    "2024",
    "2024-01-05",
    "~",
    "",
    "<<",
    "=",
    "a" * 260,
    "- x",
    "x: y",
    "a\nb",
    "# no",
]


@settings(deadline=None)
@given(st.dictionaries(NAMES | st.sampled_from(WORDS), NAMES | st.sampled_from(WORDS), min_size=1), NAMES)
def test_a_draft_is_the_data_whatever_names_and_comments_hold(values: dict[str, str], comment: str) -> None:
    draft = Draft(comment)
    for key, value in values.items():
        draft.put((key,), {value: [value, {"of": value}]}, comment)
        draft.say((key,), comment)
    for key, value in values.items():
        draft.put(("a block", key), value, comment, cut=True)
        draft.say(("a block",), comment, below=True)
    text = draft.text()
    values = {key: {value: [value, {"of": value}]} for key, value in values.items()} | {"a block": dict(values.items())}
    assert yaml.safe_load(text) == values
    assert all(line.isprintable() for line in text.splitlines())


def test_comments_stand_where_they_belong() -> None:
    draft = Draft("head")
    draft.put(("in", "a"), 1, "first")
    draft.put(("in", "b"), {"c": [1, 2]}, "second")
    draft.say(("in", "b"), "above")
    draft.say(("in",), "below", below=True)
    assert [line.split() for line in draft.text().splitlines()] == [
        line.split() for line in ("# head", "in:", "a: 1 # first", "# above", "b: {c: [1, 2]} # second", "# below")
    ]


def test_tasks_have_names_of_their_own_that_they_can_bear() -> None:
    labels = ["价格", "数量", "all", "a b", "a_b", "A_B", "x" * 260, "x" * 261, "sold", "_id"]
    names = task_names(labels)
    assert list(names) == labels
    assert {"a_b", "sold", "_id"} <= set(names.values())
    assert (names["价格"], names["数量"], names["all"], names["a b"]) == ("label", "label_", "all_", "a_b__")
    assert len({it.lower() for it in names.values()} - {"all"}) == len(labels)
    assert max(map(len, names.values())) <= ROOM + 1


def test_a_task_of_a_long_label_is_called_by_its_first_words() -> None:
    label = "the share of dissolved nitrogen in the upper layer of the sea"
    assert task_names([label]) == {label: "the_share_of_dissolved_nitrogen_in_the"}
    assert task_names(["n" * 60, "n" * 61]) == {"n" * 60: "n" * 40, "n" * 61: "n" * 40 + "_"}


@pytest.mark.parametrize(
    ("name", "found"), [("my data!", "my_data_"), ("猫", "mine"), ("a-b_1", "a-b_1"), ("", "mine")]
)
def test_plain_names(name: str, found: str) -> None:
    assert plain(name, "mine") == found
