# Everything lives in .venv and in this folder. `make run`, `make test` and `make ui` are all a newcomer needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
export PATH := $(CURDIR)/$(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY ?= true

.PHONY: install run test test-all wheel tools lint docs bench bench-all ui lock clean

install: $(INSTALLED)

$(INSTALLED): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

run: install
	mlflow run . --env-manager local --experiment-name mnist_fashion

# Numbers must not hang on one processor's kernels: what is numeric passes a second time on the plainest ones, a fast part
# of it in `make test`. ATEN_CPU_CAPABILITY=default has found more than MKL_CBWR=COMPATIBLE, and changed 45 to 85 % of the
# weights of eight small networks in the last bits, the other 25 to 82 %.
PLAINEST := ATEN_CPU_CAPABILITY=default
NUMERIC := tests/balance tests/model tests/training
LONG := tests/training/stack/test_neighbours.py tests/end_to_end tests/training tests/tracking tests/tuning
FAST_NUMERIC := tests/balance tests/model $(addprefix tests/training/,optim $(addsuffix .py,test_golden test_progress \
	test_tallies test_assess stack/test_against_torch stack/test_leaving stack/test_resuming))

# Files that take long begin first, so that neither of the two processes waits for the other at the end.
test: install
	python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(LONG) tests
	$(PLAINEST) python -m pytest -n 2 --dist loadfile $(FAST_NUMERIC)

# The wheel, built and tried in folders without a clone.
wheel: install
	python -m pytest -m slow tests/headway/test_wheel.py

test-all: install
	$(BIN)/python -m pip install --quiet -c requirements.txt --no-build-isolation -e '.[public]'
	python -m pytest -m "slow or not slow" --hypothesis-profile all
	$(PLAINEST) python -m pytest -m "slow or not slow" $(NUMERIC)

# What some tests need of the system: Chromium and what reads its PDFs, zsh and fish; from Debian's packages, as root.
# Without them these tests are skipped; HEADWAY_TOOLS=required makes that a failure.
TOOLS := chromium pdftotext zsh fish
TOOL_PACKAGES := chromium poppler-utils fonts-dejavu-core fonts-liberation zsh fish
tools:
	for tool in $(TOOLS); do command -v $$tool || missing=yes; done; test -z "$$missing" || (apt-get update && \
		apt-get install --yes --no-install-recommends $(TOOL_PACKAGES))

lint: install
	ruff format --check .
	ruff check .
	mypy

# The manual, in build/docs/index.html. A warning is an error, and so is a name that leads nowhere.
docs: install
	python -m sphinx -W -n --keep-going -q -b html docs build/docs
	@echo 'The manual is in build/docs/index.html'

# The README's table, within the hour. HEADWAY_DATA=FOLDER names the full data (MNIST/raw, FashionMNIST/raw); without it
# they are made up. `pip install -c requirements.txt -e .[bench]` adds Lightning and Ray Tune to the contenders.
bench: install
	python -m benchmarks.startup
	python -m benchmarks.one_model
	python -m benchmarks.study
	python -m benchmarks.time_to_quality
	python -m benchmarks.overhead
	python -m benchmarks.table

# Also the usual script's whole study (the target of time_to_quality), how time and memory grow, how often
# `headway compare` claims what is not so, how soon reports are drawn and models answer: two hours more.
bench-all: install
	python -m benchmarks.record
	$(MAKE) bench
	python -m benchmarks.balancers
	python -m benchmarks.sharing
	python -m benchmarks.growth --of training
	python -m benchmarks.growth
	python -m benchmarks.table
	python -m benchmarks.claims
	python -m benchmarks.pages
	python -m benchmarks.served

# The address matters: without its end MLflow shows the pages of language models. UI_PORT=5001 serves elsewhere.
UI_PORT ?= 5000

ui: install
	@echo 'An experiment opens with "Model training" in the sidebar, or by the address that a command prints (`headway runs`):'
	@echo 'http://127.0.0.1:$(UI_PORT)/#/experiments?workflowType=machine_learning'
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow ui --backend-store-uri sqlite:///mlflow.db --port $(UI_PORT)

lock: install
	uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --extra dev pyproject.toml -o requirements.txt

clean:
	rm -rf $(VENV)
