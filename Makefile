# Everything here sets up its own .venv from nothing; root or not.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CSOURCES := $(wildcard csrc/*.c csrc/*/*.c)
BUILD := pyproject.toml setup.py build_ext.py $(wildcard csrc/* csrc/*/*)

.DELETE_ON_ERROR:
.PHONY: demo test check bench fuzz matrix clean

demo: $(VENV)/run.done
	@$(BIN)/pgreplterm demo $(ARGS)

# Most tests wait for servers: three processes share them out, file by file, in the order of the folders, since those
# with the fewest tests (drills, scenarios) take longest. JOBS=0 runs all in one.
JOBS ?= 3
test: $(VENV)/dev.done
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

bench: $(VENV)/dev.done
	$(BIN)/pytest tests/bench --benchmark-only --benchmark-columns=min,median,max,rounds --benchmark-sort=name -s $(ARGS)

# Ten minutes or so of mutated WAL through the C library under its sanitizers; ROUNDS=n for more or less.
fuzz: $(VENV)/dev.done
	PGREPLTERM_FUZZ_ROUNDS=$${ROUNDS:-3000000} $(BIN)/pytest tests/fuzz -s $(ARGS)

# Every line of dump and stat against the pg_waldump of every major: PGREPLTERM_MAJORS=/path/of/installations, laid
# out as tests/matrix/README.md says.
matrix: $(VENV)/dev.done
	$(BIN)/pytest tests/matrix -s $(ARGS)

check: $(VENV)/dev.done
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(CC) -std=c11 -O2 -Wall -Wextra -Werror -fsyntax-only $(CSOURCES)

$(VENV)/run.done: $(BUILD)
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "make: expected Python 3.11 or newer with its venv module (Debian: apt install python3-venv); found $$($(PYTHON) --version 2>&1)" >&2; exit 2; }
	@command -v $(CC) >/dev/null || \
	  { echo "make: expected a C compiler to build the WAL reader (Debian: apt install gcc python3-dev); found none" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) ..." >&2
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[embedded,archive]' >&2
	@touch $@

$(VENV)/dev.done: $(VENV)/run.done
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation 'setuptools>=77' >&2
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[embedded,archive,objects,dask,export,majors,dev]' >&2
	@touch $@

clean:
	rm -rf $(VENV) build dist src/*.egg-info src/pgreplterm/_walscan*.so
