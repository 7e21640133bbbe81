# Two commands do everything: `make demo` and `make test`. Each sets up what it needs by itself, as root or not.

PYTHON ?= python3
PYTEST_ARGS ?=

BIN := .venv/bin
RUN_READY := .venv/.ready-run
DEV_READY := .venv/.ready-dev
LINTED := src tests bench demo

.DEFAULT_GOAL := help
.PHONY: help demo test test-vm lint format bench clean distclean tools

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

demo: $(RUN_READY) ## find or fetch headers, compile the examples, load one program where that is allowed
	@$(BIN)/python demo/demo.py

test: tools $(DEV_READY) ## install what tests need, lint, run every test (PYTEST_ARGS="…" is passed on)
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-vm: tools $(DEV_READY) ## boot Debian's kernels 5.10, 6.1, 6.12 and 7.2 in guests and go the whole road there (root)
	KHEADERS_TEST_GUESTS=1 $(BIN)/python -m pytest tests/vm $(PYTEST_ARGS)

lint: $(DEV_READY) ## formatting, lint rules, types, the order of imports
	$(BIN)/ruff format --check $(LINTED)
	$(BIN)/ruff check $(LINTED)
	$(BIN)/mypy
	$(BIN)/lint-imports --config pyproject.toml

format: $(DEV_READY) ## let ruff format the code and mend what it can
	$(BIN)/ruff format $(LINTED)
	$(BIN)/ruff check --fix $(LINTED)

bench: $(DEV_READY) ## measure, as ratios within one run
	@$(BIN)/python -m compileall -q src
	@status=0; for part in foundation blob btf pack forms consumers libbpf; do \
		echo "== bench/$$part.py"; $(BIN)/python bench/$$part.py || status=$$?; \
	done; exit $$status

clean: ## remove what tests and tools leave in the checkout
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests bench demo -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## and the virtual environment too
	rm -rf .venv

tools:
	@.ci/tools

$(RUN_READY): pyproject.toml
	@PYTHON="$(PYTHON)" .ci/venv all
	@touch $@

$(DEV_READY): pyproject.toml
	@PYTHON="$(PYTHON)" .ci/venv dev
	@touch $(RUN_READY) $@
