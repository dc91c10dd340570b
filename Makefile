# Everything lives in .venv and in this folder. `make run`, `make test` and `make ui` are all a newcomer needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
export PATH := $(CURDIR)/$(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY ?= true

.PHONY: install run test test-all lint ui lock clean

install: $(INSTALLED)

$(INSTALLED): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

run: install
	mlflow run . --env-manager local --experiment-name mnist_fashion

test: install
	python -m pytest -n 2 --dist loadfile

test-all: install
	python -m pytest -m "slow or not slow"

lint: install
	ruff format --check .
	ruff check .
	mypy

ui: install
	mlflow ui --backend-store-uri sqlite:///mlflow.db

lock: install
	uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --extra dev pyproject.toml -o requirements.txt

clean:
	rm -rf $(VENV)
