"""What people call tasks: the label, where a task's name only stands in for it."""

from pipeline.config.tasks import TaskSettings, titles


def test_a_name_that_stands_in_for_a_label_is_called_as_the_label() -> None:
    labels = {
        "price__CHF_": "price (CHF)", "label": "价格", "label_": "数量", "cost": "price", "sold": None, "all_": "all",
        "esc__31m": "esc\x1b[31m", "other": "x y", "a_b": "a b", "a_b_": "a b",
    }  # fmt: skip
    tasks = {name: TaskSettings.of({"kind": "binary", "source": "s", "label": it}) for name, it in labels.items()}
    assert titles(tasks) == {
        "price__CHF_": "price (CHF)", "label": "价格", "label_": "数量", "cost": "cost", "sold": "sold", "all_": "all_",
        "esc__31m": "esc\\x1b[31m", "other": "other", "a_b": "a b", "a_b_": "a_b_",
    }  # fmt: skip
