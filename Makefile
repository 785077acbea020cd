# Everything here needs Python (>= 3.10, with venv) and make, and sets itself up in .venv.

# Each process of the tests, and each master, would compile everything again.
export PYTHONDONTWRITEBYTECODE :=

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# The tests mostly wait, for masters and builders in processes of their own.
TEST_PROCESSES ?= 5

.PHONY: help venv demo test contract coverage lint style types mypy pyright package format api docs www www-check screenshots bench soak clean

help:
	@echo "make demo      a Buildbot master, a worker and an embedded Koji hub, on this machine"
	@echo "make test      all tests"
	@echo "make contract  the hub's contract, against a real hub: KOJI_TEST_PROFILE=name"
	@echo "make coverage  all tests, and how much of the code and of the tests they run"
	@echo "make lint      formatting, lint, types, layers, spelling, news"
	@echo "make package   use wheel and sdist as they are installed"
	@echo "make format    format the code"
	@echo "make api       write the typed stubs of the hub's methods"
	@echo "make docs      write the reference tables, and build the site in build/site; test its links and code"
	@echo "make www       build the Koji pages of Buildbot's web UI (needs node and npm)"
	@echo "make bench     measure, beside Koji's official client"
	@echo "make soak      the long counts of the tests, and a mass build of 17,000 packages"

venv: $(READY)

$(READY): setup.py Makefile
	@echo "Setting up $(VENV): Buildbot and the tools of the tests are downloaded, about two minutes."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip setuptools
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	# Without its dependencies: see OFFICIAL_CLIENT in setup.py.
	$(BIN)/python -m pip install --quiet --no-deps 'koji>=1.36' 'requests-gssapi>=1.3'
	touch $@

demo: venv
	$(BIN)/buildbot-koji demo $(ARGS)

test: venv
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadgroup $(ARGS)

contract: venv
	$(BIN)/python -m pytest tests/contract $(ARGS)

coverage: venv
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n $(TEST_PROCESSES) --dist loadgroup $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: types style

style: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell
	$(BIN)/interrogate --quiet txkoji buildbot_koji
	$(BIN)/python .ci/prose.py
	$(BIN)/towncrier build --draft >/dev/null

types: pyright mypy

mypy: venv
	$(BIN)/mypy
	$(BIN)/mypy examples

pyright: venv
	$(BIN)/pyright

# Wheel and sdist in environments of their own. `nox -s tutorial` follows the tutorial with the wheel.
package: venv
	$(BIN)/nox --session "package-$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')"

format: venv
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

api: venv
	$(BIN)/python -m api.generate

docs: venv
	$(BIN)/python docs/reference.py
	$(BIN)/sphinx-build -q -n -W --keep-going docs build/site
	$(BIN)/python docs/links.py build/site
	$(BIN)/python -m pytest -q -p no:randomly tests/docs/test_pages.py

# The built files are committed: only who changes www/ needs node.
www/node_modules: www/package-lock.json
	cd www && npm ci
	touch $@

www: www/node_modules
	cd www && npm run --silent build

# The pictures of the documentation.
screenshots: venv
	KOJI_TEST_PICTURES=docs/screenshots $(BIN)/python -m pytest -q tests/buildbot_koji/www/test_ui.py -k large

# The pages' own tests, and whether the committed files are what www/ builds.
www-check: www/node_modules
	cd www && npm run --silent check && npm run --silent test
	# The types are checked already.
	cd www && node build.mjs ../build/www
	cmp build/www/scripts.js buildbot_koji/www/static/scripts.js
	cmp build/www/styles.css buildbot_koji/www/static/styles.css

bench: venv
	$(BIN)/python -m benchmarks $(ARGS)

soak: venv
	KOJI_TEST_SOAK=1 $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadgroup $(ARGS)
	KOJI_BENCH_PACKAGES=17000 KOJI_BENCH_KILLS=20 $(BIN)/python -m benchmarks mass

clean:
	rm -rf $(VENV) .nox .coverage* build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
