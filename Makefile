# Everything runs in .venv, made from constraints.txt; nothing is installed outside it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check bench screenshots format clean

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: .venv/ready  ## the monitor on live synthetic traffic
	$(BIN)/llmwatch demo

check: .venv/ready  ## static checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check  ## static checks and all tests
	$(BIN)/pytest --numprocesses 2 --dist loadfile

bench: .venv/ready  ## the numbers the README claims
	$(BIN)/python -m benchmarks

screenshots: .venv/ready  ## screenshots/*.svg from fixed demo data
	$(BIN)/python -m scripts.screenshots

format: .venv/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
