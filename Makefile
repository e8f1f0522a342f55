# `make demo` sets everything up and shows it working; `make test` runs the tests.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint docs bench dist lock clean

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

# The time in the archives is that of the commit, or hatchling's own where there is no git.
dist: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1580601600)
dist: $(BIN)/stego
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python .ci/sbom.py dist/*.whl

lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
		--custom-compile-command 'make lock' --extra dev --extra bench pyproject.toml -o requirements-dev.lock

$(BIN)/stego: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev,bench]'
	touch $@

clean:
	rm -rf .venv build dist demo
