import pytest

from pipeline.data.sources import SOURCES, source
from pipeline.errors import UserError

from .files import experiment

ANY = experiment({"it": {"kind": "binary", "source": "toy"}})


def test_a_source_is_found_by_its_name():
    composed = ["digits_present", "multi_mnist", "multi_fashion", "fashion_and_mnist"]
    assert list(SOURCES) == ["mnist", "fashion_mnist", "digits", *composed]
    assert all(source(ANY, name) is it for name, it in SOURCES.items())


def test_an_unknown_source_is_answered_with_the_nearest_match():
    with pytest.raises(UserError, match="unknown source 'fashion_mnst' \\(did you mean 'fashion_mnist'\\?\\)"):
        source(ANY, "fashion_mnst")


def test_an_unknown_source_like_no_other_is_answered_with_all():
    with pytest.raises(UserError, match="known: mnist, fashion_mnist, digits"):
        source(ANY, "zebra")
