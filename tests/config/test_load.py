from pathlib import Path

import pytest

from pipeline.config import load, parse_value
from pipeline.config.load import find
from pipeline.errors import UserError

from .files import TASKS, settings

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(it.stem for it in (REPOSITORY / "experiments").glob("*.yaml")))
def test_an_experiment_that_ships_loads_by_name_and_by_path(name):
    by_name = load(name, {}, REPOSITORY)
    assert by_name == load(str(REPOSITORY / "experiments" / f"{name}.yaml"), {}, REPOSITORY)
    assert by_name.name == name


def test_the_flagship_is_the_articles_recipe_and_else_the_documented_default():
    experiment = load("mnist_fashion", {}, REPOSITORY)
    assert list(experiment.tasks) == ["mnist", "fashion"]
    assert experiment.source_names == ["mnist", "fashion_mnist"]
    assert experiment.baselines.separate == "mnist_fashion_separate"
    assert experiment.model.trunk.widths == (128,)
    assert experiment.model.trunk.dropout == 0.5
    assert (
        experiment.training.model_dump()
        | {"seeds": 5, "epochs": 10, "batch_size": 64, "schedule": "constant", "learning_rate": 0.001}
        == experiment.training.model_dump()
    )
    assert list(experiment.tuning.space) == ["balancing.weights", "model.trunk.dropout", "training.learning_rate"]


def test_a_file_without_a_name_is_called_as_it_lies(written):
    assert written(TASKS).name == "it"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("trainin: {epochs: 1}", "unknown key 'trainin' (did you mean 'training'?)"),
        ("training: {epoch: 1}", "unknown key 'training.epoch' (did you mean 'epochs'?)"),
        (
            "training: {early_stopping: {patince: 3}}",
            "unknown key 'training.early_stopping.patince' (did you mean 'patience'?)",
        ),
        ("model: {trunk: {width: [3]}}", "unknown key 'model.trunk.width' (did you mean 'widths'?)"),
        ("gate: {zebra: 1}", "unknown key 'gate.zebra' (known here: min_gain)"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_match(problem, text, line):
    assert problem(settings(text)) == line


def test_an_unknown_key_of_a_task_is_answered_with_the_nearest_match(problem):
    line = problem("tasks: {MNIST: {kind: multiclass, source: mnist, lable: digit}}")
    assert line == "unknown key 'tasks.MNIST.lable' (did you mean 'label'?)"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("training: {epochs: 1.5}", "training.epochs: input should be a valid integer, found 1.5"),
        ("training: {epochs: '3'}", "training.epochs: input should be a valid integer, found '3'"),
        ("training: {epochs: yes}", "training.epochs: input should be a valid integer, found True"),
        ("training: {updates: many}", "training.updates: input should be 'auto' or a valid integer, found 'many'"),
        ("training: {learning_rate: fast}", "training.learning_rate: input should be a valid number, found 'fast'"),
        ("training: {nesterov: 1}", "training.nesterov: input should be a valid boolean, found 1"),
        ("training: 3", "training: input should be a mapping of keys to values, found 3"),
        ("training:", "training: input should be a mapping of keys to values, found None"),
        ("name: 12", "name: input should be a valid string, found 12"),
        ("device: gpu", "device: input should be 'auto', 'cpu' or 'cuda', found 'gpu'"),
        ("slots: 0.5", "slots: input should be 'auto' or a valid integer, found 0.5"),
        ("model: {trunk: {widths: 3}}", "model.trunk.widths: input should be a list, found 3"),
        ("model: {trunk: {widths: [8, a]}}", "model.trunk.widths.1: input should be a valid integer, found 'a'"),
        ("model: {head: cubic}", "model.head.kind: there is no head 'cubic' (linear, mlp or package.module:Class)"),
    ],
)
def test_a_wrong_type_is_named_with_the_rule_and_what_was_found(problem, text, line):
    assert problem(settings(text)) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("seed: -1", "seed: input should be greater than or equal to 0, found -1"),
        ("seed: 4294967296", "seed: input should be less than 4294967296, found 4294967296"),
        ("training: {epochs: 0}", "training.epochs: input should be greater than or equal to 1, found 0"),
        ("training: {updates: 0}", "training.updates: input should be 'auto' or greater than or equal to 1, found 0"),
        (
            "training: {epochs: 3, updates: 400}",
            "training.epochs and training.updates exclude each other: "
            "set training.epochs=null or training.updates=auto",
        ),
        ("training: {learning_rate: 0}", "training.learning_rate: input should be greater than 0, found 0"),
        ("training: {learning_rate: .inf}", "training.learning_rate: input should be a finite number, found inf"),
        ("training: {weight_decay: .nan}", "training.weight_decay: input should be a finite number, found nan"),
        ("training: {clip_norm: -1}", "training.clip_norm: input should be greater than 0, found -1"),
        ("model: {trunk: {dropout: 1.0}}", "model.trunk.dropout: input should be less than 1, found 1.0"),
        ("model: {trunk: {widths: [0]}}", "model.trunk.widths: every width is at least 1"),
        ("data: {validation: 1}", "data.validation: input should be less than 1, found 1"),
        ("data: {test: 0}", "data.test: a share between 0 and 1, {folds: 5, repeats: 2} or auto; found 0"),
        ("slots: 0", "slots: auto, or a whole number of at least 1; found 0"),
        ("tuning: {trials: 0}", "tuning.trials: input should be 'auto' or greater than or equal to 1, found 0"),
        ("tuning: {timeout: -1}", "tuning.timeout: input should be greater than 0, found -1"),
        ("training: {nesterov: true}", "training: nesterov needs optimizer sgd and momentum above 0"),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_named_with_the_rule_and_what_was_found(problem, text, line):
    assert problem(settings(text)) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: x", "'tasks' is missing"),
        ("tasks: {}", "tasks: should have at least 1 item, not 0, found {}"),
        ("tasks: {a: {kind: multiclass}}", "'tasks.a.source' is missing"),
        ("tasks: {a: {kind: odd, source: s}}", "tasks.a.kind: there is no kind of task 'odd' (multiclass, binary"),
        ("tasks: {'a b': {kind: binary, source: s}}", "tasks.a b: a task's name has letters, digits, '_' and '-' only"),
        ("tasks: {all: {kind: binary, source: s}}", "tasks.all: no task may be called 'all'"),
    ],
)  # fmt: skip
def test_tasks_are_named_and_complete(problem, text, line):
    assert problem(text).startswith(line)


@pytest.mark.parametrize(
    ("weights", "line"),
    [
        ("{mnist: -1, fashion: 1}", "balancing.weights.mnist: input should be greater than or equal to 0, found -1"),
        ("{mnist: 0, fashion: 0}", "balancing.weights are all 0: give at least one task a positive weight"),
        ("{mnist: 1, fasion: 1}", "balancing.weights names fasion, mnist; the tasks are fashion, mnist"),
        ("{mnist: 1}", "balancing.weights names mnist; the tasks are fashion, mnist"),
        ("odd", "balancing.weights: input should be 'equal' or a mapping of keys to values, found 'odd'"),
    ],
)
def test_weights_are_one_a_task_and_not_all_0(problem, weights, line):
    assert problem(settings(f"balancing: {{weights: {weights}}}")) == line


@pytest.mark.parametrize(
    ("balancing", "line"),
    [
        (
            "preference: {mnist: 0, fashion: 0}",
            "balancing.preference are all 0: give at least one task a positive share",
        ),
        ("preference: {mnist: 1}", "balancing.preference names mnist; the tasks are fashion, mnist"),
        ("preference: [1, 2, 3]", "balancing.preference has 3 values; the tasks are mnist, fashion"),
        ("preference: [1, -2]", "balancing.preference.1: input should be greater than or equal to 0, found -2"),
        ("alpha: 0", "balancing: method 'cosmos' draws from a Dirichlet distribution: alpha is more than 0"),
        ("ray: straight", "balancing.ray: input should be 'mirrored' or 'preference', found 'straight'"),
    ],
)
def test_a_preference_is_a_share_a_task_and_not_all_0(problem, balancing, line):
    assert problem(settings(f"balancing: {{method: cosmos, {balancing}}}")) == line


@pytest.mark.parametrize(
    ("given", "shares"),
    [
        ("equal", {"mnist": 0.5, "fashion": 0.5}),
        ("[3, 1]", {"mnist": 0.75, "fashion": 0.25}),
        ("{fashion: 0.3, mnist: 0.1}", {"mnist": 0.25, "fashion": 0.75}),
    ],
)
def test_a_preference_is_normalised_to_sum_to_1(given, shares):
    values = {"balancing.method": "cosmos", "balancing.preference": parse_value(given)}
    experiment = load("mnist_fashion", values, REPOSITORY)
    assert experiment.balancing.default_preference(list(experiment.tasks)) == pytest.approx(shares)


@pytest.mark.parametrize(
    ("model", "line"),
    [
        (
            "sharing: separate",
            "balancing.method 'cosmos' gives a preference to layers that the tasks share, and model.sharing=separate "
            "shares none: use model.sharing=shared, or a method that needs none",
        ),
        (
            "trunk: {widths: []}",
            "balancing.method 'cosmos' gives a preference to layers that the tasks share, and model.trunk.widths=[] "
            "leaves none: give the trunk a width",
        ),
        (
            "trunk: {kind: torchvision, network: resnet18}",
            "balancing.method 'cosmos' appends a preference to the rows, which a trunk 'torchvision' cannot take: use "
            "mlp, tabular, residual, lenet or resnet",
        ),
        (
            "trunk: lstm",
            "balancing.method 'cosmos' appends a preference to the rows, which a trunk 'lstm' cannot take: use mlp, "
            "tabular, residual, lenet or resnet",
        ),
    ],
)
def test_a_preference_needs_shared_layers_that_can_take_it(problem, model, line):
    assert problem(settings(f"balancing: {{method: cosmos}}\nmodel: {{{model}}}")) == line


def test_a_name_that_cannot_be_one_is_refused_in_one_line(problem):
    assert "a name has letters" in problem(settings('name: "a\\nb"'))


def test_without_validation_nothing_may_choose(problem, written):
    assert "data.validation=0 leaves nothing to choose by" in problem(settings("data: {validation: 0}"))
    off = settings("data: {validation: 0}\ntuning: null\ntraining: {early_stopping: null}")
    assert written(off).data.validation == 0
    assert "plateau needs a validation split" in problem(off, training__schedule="plateau")


def test_folds_are_enough_to_choose_by(problem, written):
    experiment = written(settings("data: {validation: 0}\ntraining: {folds: 4, schedule: plateau}"))
    assert experiment.validates
    assert experiment.tuning is not None
    assert not written(settings("data: {validation: 0}\ntuning: null\ntraining: {early_stopping: null}")).validates
    assert "training.folds: input should be greater than or equal to 2" in problem(settings("training: {folds: 1}"))


@pytest.mark.parametrize("off", ["null", "none", "~", ""])
def test_null_and_none_both_switch_a_part_off(written, off):
    experiment = written(
        settings(
            f"tuning: {off}\nbaselines: {{separate: {off}}}\ndata: {{root: {off}}}\nmodel: {{trunk: {{norm: {off}}}}}\n"
            f"training:\n  early_stopping: {off}\n  clip_norm: {off}"
        )
    )
    assert experiment.tuning is experiment.baselines.separate is experiment.data.root is None
    assert experiment.training.early_stopping is experiment.training.clip_norm is None
    assert experiment.model.trunk.norm == "none"


@pytest.mark.parametrize("off", ["null", "none"])
def test_the_pruner_is_switched_off_by_either(written, off):
    assert written(settings(f"tuning: {{pruner: {off}}}")).tuning.pruner == "none"


def test_none_is_no_value_of_a_setting_that_cannot_be_off(problem):
    assert problem(settings("model: {trunk: {dropout: none}}")).endswith("found 'none'")


def test_a_time_of_another_unit_is_refused(problem):
    assert problem(settings("tuning: {timeout: 10x}")) == (
        "tuning.timeout: a time is a number of seconds, or a number and s, m, h or d such as 10m; found '10x'"
    )


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1.5h", 5400), ("2d", 172800), ("30", 30)])
def test_times_have_units(written, text, seconds):
    assert written(settings(f"tuning: {{timeout: {text}}}")).tuning.timeout == seconds


@pytest.mark.parametrize("name", ["digitz", "nowhere/digits.yaml", "x" * 5000, "a\0b", "experiments"])
def test_an_unknown_experiment_is_answered_with_what_ships(name):
    with pytest.raises(UserError, match="unknown experiment") as error:
        load(name, {}, REPOSITORY)
    assert ("did you mean 'digits'?" if name == "digitz" else "none of that name ships") in str(error.value)


def test_a_project_without_experiments_says_so(tmp_path):
    with pytest.raises(UserError, match="no such file, and none of that name ships"):
        find("x", tmp_path)


@pytest.mark.parametrize("key", ["", ".", "training.", ".epochs", "training..epochs", "training epochs"])
def test_what_is_no_dotted_key_is_refused(written, key):
    with pytest.raises(UserError, match="is no dotted key"):
        written(TASKS, **{key: 1})


def test_values_are_set_over_the_files(written):
    text = settings("training: {epochs: 3, seeds: 2}")
    experiment = written(text, training__epochs=4, data__variant="full", model__head="mlp", tuning=None)
    assert (experiment.training.epochs, experiment.training.seeds) == (4, 2)
    assert experiment.data.variant == "full"
    assert experiment.model.head.kind == "mlp"
    assert experiment.tuning is None


def test_a_value_set_within_a_value_is_refused(problem):
    assert problem(TASKS, training__epochs__x=3) == "training.epochs: input should be a valid integer, found {'x': 3}"


def test_an_unknown_key_that_is_set_is_answered_with_the_nearest_match(problem):
    assert (
        problem(TASKS, training__lerning_rate=3)
        == "unknown key 'training.lerning_rate' (did you mean 'learning_rate'?)"
    )


def test_a_bad_search_space_is_refused_with_the_files_name(problem):
    space = {"training.lerning_rate": {"float": [0.1, 0.2]}}
    assert problem(TASKS, tuning__space=space).startswith("tuning.space: unknown key 'training.lerning_rate'")


def test_an_experiment_is_frozen(written):
    with pytest.raises(ValueError, match="frozen"):
        written(TASKS).seed = 3
