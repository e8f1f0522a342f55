# `make demo` sets everything up and shows it working; `make test` runs the tests.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint docs bench clean

demo: $(BIN)/stego
	$(BIN)/python examples/demo.py

test: $(BIN)/stego
	$(BIN)/python -m pytest -n auto

lint: $(BIN)/stego
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(BIN)/stego
	$(BIN)/python -m stegcli.cli.manual docs

bench: $(BIN)/stego
	$(BIN)/python benchmarks/commands.py
	$(BIN)/python benchmarks/ecc.py

$(BIN)/stego: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev,bench]'
	touch $@

clean:
	rm -rf .venv build dist demo
