"""The page on MLflow has the filters that `headway runs` uses."""

from pipeline.steps.runs.questions import QUESTIONS
from tests.conftest import REPOSITORY


def test_every_question_stands_there_with_its_filter_and_order() -> None:
    page = (REPOSITORY / "docs" / "mlflow.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `") and "``" in line}
    assert rows.keys() == QUESTIONS.keys()
    for name, question in QUESTIONS.items():
        assert f"``{question.where}" in rows[name]
        assert not question.order_by or f"metrics.`{question.order_by}`" in rows[name]
