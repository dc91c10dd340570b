import pytest

from pipeline.config import parse_value
from pipeline.errors import UserError

from .files import settings


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 1e-3), ("1E-3", 1e-3), ("1.5e-3", 1.5e-3), ("2e0", 2.0), (".1", 0.1)]
)
def test_exponents_are_numbers_in_files_and_on_the_command_line(written, text, value):
    assert written(settings(f"training: {{learning_rate: {text}}}")).training.learning_rate == value
    assert parse_value(text) == value
    assert isinstance(parse_value(text), float)


def test_a_quoted_or_longer_word_is_no_number(written):
    assert parse_value("'1e-3'") == "1e-3"
    assert parse_value("1e-3x") == "1e-3x"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[64, 64]", [64, 64]),
        ("null", None),
        ("", None),
        ("true", True),
        ("10m", "10m"),
        ("{a: 1}", {"a": 1}),
        ("abc", "abc"),
    ],
)
def test_a_value_on_the_command_line_is_yaml(text, value):
    assert parse_value(text) == value


@pytest.mark.parametrize("text", ["a: b: c", "[1, 2", "!!python/object/apply:os.system [ls]", "*x", "2024-13-45"])
def test_a_value_that_is_no_plain_yaml_is_refused_in_one_line(text):
    with pytest.raises(UserError, match="is not plain YAML") as error:
        parse_value(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: a\nname: b", "key 'name' is given twice (line 3)"),
        ("training: {epochs: 3, epochs: 4}", "key 'epochs' is given twice (line 2)"),
        ("a: b: c", "mapping values are not allowed here (line 2)"),
        ("x: [1, 2", "expected ',' or ']', but got '<stream end>' (line 2)"),
        ("x: *nobody", "found undefined alias 'nobody' (line 2)"),
        ("---\nname: b", "but found another document (line 2)"),
        ("? [a, b]\n: c", "found unhashable key (line 2)"),
    ],
)  # fmt: skip
def test_what_is_no_plain_yaml_is_named_with_its_line(problem, text, line):
    assert problem(settings(text)) == f"not plain YAML: {line}"


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("!!python/object/apply:os.system [ls]", "tag:yaml.org,2002:python/object/apply:os.system"),
        ("!!python/name:os.system ", "tag:yaml.org,2002:python/name:os.system"),
        ("!include secrets.yaml", "!include"),
    ],
)
def test_a_tag_that_bears_code_is_refused(problem, text, tag):
    line = f"not plain YAML: could not determine a constructor for the tag '{tag}' (line 2)"
    assert problem(settings(f"x: {text}")) == line


@pytest.mark.parametrize("text", ["x: 2024-13-45", "x: \x07", "x: " + "[" * 3000, "x: " + "9" * 5000])
def test_yaml_that_python_cannot_hold_is_refused(problem, text):
    assert problem(settings(text)).startswith("not plain YAML: ")


def test_code_in_a_file_is_not_run(problem, tmp_path):
    problem(settings(f"x: !!python/object/apply:os.system ['touch {tmp_path}/run']"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["", "[1, 2]", "hello", "3"])
def test_a_file_that_is_no_mapping_of_keys_is_refused(problem, text):
    assert problem(text) == "an experiment is a mapping of keys to values, such as 'name: my_experiment'"


@pytest.mark.parametrize("name", ["NO", "on", "2024", "1e3", "null", "yes", "2024-01-02"])
def test_a_key_is_a_name_whatever_it_looks_like(written, problem, name):
    text = f"sources: {{rows: {{kind: table, path: a.csv, inputs: {{{name}: numeric}}}}}}\n"
    found = written(f"{text}tasks: {{{name}: {{kind: binary, source: rows, label: y}}}}\n")
    assert list(found.tasks) == list(found.sources["rows"].inputs) == [name]
    assert problem(f"{name}: 1").startswith(f"unknown key '{name}'")


def test_a_file_that_is_not_utf8_names_the_byte(problem):
    assert problem(b"name: caf\xe9\n") == "not UTF-8 at byte 9; save it as UTF-8"
    assert "not UTF-8" in problem("name: x".encode("utf-16"))


def test_a_byte_order_mark_and_windows_line_ends_are_read(written):
    assert written(("\ufeff" + settings("seed: 3")).replace("\n", "\r\n").encode()).seed == 3


def test_a_file_that_says_more_by_aliases_than_anyone_means_is_refused(problem):
    laughs = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    bomb = f"x: &a0 [x]\n{laughs}tuning: {{space: {{model.trunk.widths: {{choice: [*a29]}}}}}}"
    for text in ("name: &a [*a]", "name: &a {b: *a}", bomb):
        assert problem(settings(text)) == "not plain YAML: it holds more than 10000 values"


def test_a_file_may_list_very_many_columns(written):
    columns = ", ".join(f"x{place}: numeric" for place in range(20_000))
    source = f"{{kind: table, path: a.csv, inputs: {{{columns}}}}}"
    text = f"sources: {{rows: {source}}}\ntasks: {{a: {{kind: binary, source: rows}}}}\n"
    assert len(written(text).sources["rows"].inputs) == 20_000


def test_a_long_value_is_cut_short(problem):
    assert len(problem(settings(f"device: {'x' * 5000}"))) < 200
    assert len(problem(settings(f"device: {list(range(5000))}"))) < 200


def test_anchors_and_merge_keys_are_plain_yaml(written):
    model = "model: {trunk: {widths: &w [8]}, head: {kind: mlp, widths: *w}}\n"
    experiment = written(settings(f"{model}training: {{<<: {{epochs: 3, seeds: 2}}, epochs: 4}}"))
    assert experiment.model.head.widths == (8,)
    assert (experiment.training.epochs, experiment.training.seeds) == (4, 2)
