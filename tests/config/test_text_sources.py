"""What an experiment may say of sources of text."""

import pytest

from pipeline.config import facts

TASKS = "tasks: {it: {kind: binary, source: own}}\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{kind: tokens}", "'sources.own.path' is missing"),
        ("{kind: tokens, path: x, colum: 1}", "unknown key 'sources.own.colum' (did you mean 'column'?)"),
        ("{kind: text, path: x, classes_file: y}", "sources.own: labels_file is missing"),
        ("{kind: text, path: x, labels_file: y, test: z}", "sources.own: test and test_labels_file belong together"),
        ("{kind: text, path: x, labels_file: y, group: z}", "sources.own: group, time, split and labels are fields"),
        ("{kind: text, path: x, test: y, group: z}", "sources.own: rows are split by files (validation, test) or by"),
        ("{kind: text, path: x, group: y, time: z}", "sources.own: rows are split by one column"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_source_of_text_is_one_line(problem, text, line):
    assert problem(f"{TASKS}sources: {{own: {text}}}").startswith(line)


@pytest.mark.parametrize("setting", ["path", "validation", "test", "labels_file", "classes_file"])
def test_where_files_lie_is_no_part_of_a_key(setting):
    assert facts(f"sources.own.{setting}").resolved
    assert not facts("sources.own.column").resolved
