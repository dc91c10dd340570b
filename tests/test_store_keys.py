"""Keys in MLflow: any names have keys that it takes, and no two the same."""

import random

from hypothesis import given, settings, strategies as st

from pipeline.store_keys import LONGEST, keys_of

ENDS = ("", "_ci_low", "_ci_high")


@settings(deadline=None)
@given(st.lists(st.text(max_size=300), unique=True, max_size=12), st.booleans())
def test_any_names_have_keys_of_their_own(labels: list[str], of_labels: bool) -> None:
    from mlflow.utils.validation import _validate_metric_name, _validate_param_name

    names = [f"test/task/roc_auc.{label}" for label in labels]
    found = keys_of(names, ENDS, of_labels)
    every = [key + end for key in found.values() for end in ENDS]
    for key in every:
        _validate_metric_name(key)
        _validate_param_name(key)
        assert len(key) <= LONGEST
    assert len({key.casefold() for key in every}) == len(names) * len(ENDS)
    assert found == keys_of(random.Random(0).sample(names, len(names)), ENDS, of_labels)


def test_plain_names_are_keys_as_they_are() -> None:
    names = ["roc_auc", "roc_auc.mass", "roc_auc.a_b", "roc_auc.x-1", "delta_m_percent"]
    assert (
        keys_of([*names, "roc_auc.a b", "roc_auc.a.b"], ENDS, of_labels=True).items()
        >= {it: it for it in names}.items()
    )
    assert keys_of(["roc_auc.No Finding"], of_labels=True) == {"roc_auc.No Finding": "roc_auc.No_Finding"}
    assert keys_of(["roc_auc.猫"], of_labels=True) == {"roc_auc.猫": "roc_auc.猫"}


def test_a_label_that_ends_like_an_interval_is_none() -> None:
    found = keys_of(["f.x", "f.x_ci_low"], ENDS, of_labels=True)
    assert found["f.x"] == "f.x"
    assert found["f.x_ci_low"].startswith("f.x_ci_low-")


def test_names_that_differ_in_case_have_keys_that_differ_in_more() -> None:
    found = keys_of(["f.A", "f.a"], of_labels=True)
    assert found["f.A"] == "f.A"
    assert found["f.a"].startswith("f.a-")
