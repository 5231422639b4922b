# `make demo` and `make test` are the README's. All create .venv on first use; PYTHON chooses the interpreter (3.11 to 3.13).
PYTHON ?= python3
BIN := .venv/bin
# The tests start hundreds of Python processes: without bytecode each would compile the package again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-slow test-study lint clean

demo: .venv/installed
	$(BIN)/osimopt demo --overwrite

test: .venv/installed
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow" tests

# What `make test` leaves out: whole studies, walks of 80 muscles, scripts in fresh processes.
test-slow: .venv/installed
	$(BIN)/python -m pytest -n auto --dist loadfile -m slow tests

# The study of one paper, which imports osimopt and is no part of it.
test-study: .venv/installed
	$(BIN)/python -m pytest -n auto scripts/paper_study/tests

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv osimopt_demo
