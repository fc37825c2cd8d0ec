# Thin: each target is one command. The environment is made on first use, from the one lock.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
# `make CDS=1 VENV=.venv-cds paper` adds the client of the Climate Data Store.
# One lock, and for other environments a small delta to it: tools/locks.py puts the two together.
DELTAS := book cds clients gpu jax serve
DELTA := $(if $(GPU),gpu,$(if $(JAX),jax,$(if $(CDS),cds)))
LOCKS := requirements.lock $(if $(DELTA),requirements-$(DELTA).lock)
LOCKED := $(VENV)/.made-from-$(lastword $(LOCKS))
# NEWEST=1 takes the newest version of every package in place of the lock: `make NEWEST=1 VENV=.venv-newest tests-rest`.
ENV := $(if $(NEWEST),$(VENV)/.made-from-newest,$(LOCKED))

CLIENTS := .venv-clients
CLIENTS_PY := PYTHONPATH=lib $(CLIENTS)/bin/python
CLIENTS_ENV := $(CLIENTS)/.made-from-requirements-clients.lock

SERVE := .venv-serve
SERVE_PY := PYTHONPATH=lib $(SERVE)/bin/python
SERVE_ENV := $(SERVE)/.made-from-requirements-serve.lock

BOOK := .venv-book
BOOK_ENV := $(BOOK)/.made-from-requirements-book.lock

# uv installs in seconds where it is on PATH; pip is always there. The lock is its own constraint: pip before 23.3 takes the newest
# version of a package that another asks for with an extra, and then misses its hash.
UV := $(shell command -v uv 2>/dev/null)
# $(call install,<environment>): installs the words that follow into an environment.
install = $(if $(UV),$(UV) pip install --quiet --python $(1)/bin/python,$(1)/bin/python -m pip install --quiet --disable-pip-version-check)
whole = $(PYTHON) tools/locks.py compose

# Bytecode is kept, whatever the environment says: without it every process compiles TensorFlow's modules anew, 9 s of a processor.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help env demo forecast today check-sources check-results lint format test test-quick tests-quick-rooms tests-quick-others tests-rest tests-chains tests-pages tests-jax reference lab lock clients clients-ensemble clients-test serve serve-bench serve-test watch book
help:  ## this list
	@grep -hE '^[a-z_%<>-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'
	@ls params/*.yaml | sed -E 's|params/(.*)\.yaml|\1\tthe run described in params/\1.yaml|'

env: $(ENV)  ## the environment alone

demo: $(ENV)  ## the whole chain on the embedded simulated Arctic
	$(PY) -m seaice.run params/demo.yaml

# RUN is a finished run; INIT is latest, YYYY-MM[-DD], or first:last to step through months.
RUN ?= demo
INIT ?= latest
forecast: $(ENV)  ## the newest forecast of a finished run: make forecast RUN=nsidc_north INIT=latest
	$(PY) -m seaice.realtime params/$(RUN).yaml --init $(INIT)

# NOW=2013-10-05 forecasts as if it were that day.
HEMISPHERE ?= north
today: $(ENV)  ## the next six months from today's open data, without training: make today HEMISPHERE=north
	$(VENV)/bin/seaice today $(HEMISPHERE) $(if $(NOW),--now $(NOW))

check-sources: $(ENV)  ## ask every address of the catalogue whether it answers; needs a network
	$(VENV)/bin/seaice sources check

# Figures and pages depend on fonts and hold times; the command fails where a table is not the same to the bit.
check-results: $(ENV)  ## compare a run made anew with the digests that are tracked: make check-results RUN=demo
	$(VENV)/bin/seaice check $(RUN)

# Whatever holds code is linted, pages too. Types are checked strictly where everybody builds on them (pyproject.toml).
CODE := lib tests benchmarks docs tools notebooks clients
WORDS := $(CODE) params catalog.yml Makefile pyproject.toml .github .devcontainer $(wildcard *.md)
lint: export PYTHONPATH = lib
lint: $(ENV)  ## style, types, the order of imports, dependencies and spelling; changes nothing
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/deptry $(CODE)
	$(VENV)/bin/codespell $(WORDS)
format: $(ENV)  ## what `make lint` can put right by itself
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	$(VENV)/bin/nbstripout --keep-id notebooks/*.ipynb clients/*.ipynb

# Three lanes at once, each about as long: a test waits more than it computes. What is marked
# `chain`, takes long or starts kernels: the pages of the demo in one lane, all else in another.
# One thread each: they share the machine, where threads that wait for each other take longer than none.
test test-quick: export OMP_NUM_THREADS = 1
test test-quick: export TF_NUM_INTRAOP_THREADS = 1
test: $(ENV)  ## the tests, and beside them the demo's notebooks
	$(MAKE) --no-print-directory --jobs 3 tests-pages tests-chains tests-rest
tests-rest: $(ENV)
	$(PY) -m pytest tests -m "not chain" --durations=10
tests-chains: $(ENV)
	$(PY) -m pytest tests -m chain --ignore tests/pages --durations=10
tests-pages: $(ENV)
	$(PY) -m pytest tests/pages -m chain --durations=10
# The same tests as in tests-rest, in two processes: one for each core, and each with half of the rooms.
HALF := $(addprefix tests/,explain figures forecasts networks products samples verify)
test-quick: $(ENV)  ## the tests that take seconds: no whole run, no training, no kernel
	$(MAKE) --no-print-directory --jobs 2 tests-quick-rooms tests-quick-others
tests-quick-rooms: $(ENV)
	$(PY) -m pytest $(HALF) -m "not chain"
tests-quick-others: $(ENV)
	$(PY) -m pytest tests $(addprefix --ignore ,$(HALF)) -m "not chain"

# In an environment of its own: where JAX is installed TensorFlow imports it too, which takes every process a second and 110 MB more.
tests-jax: $(ENV)  ## the tests that compare Keras's backends: make JAX=1 VENV=.venv-jax tests-jax
	$(PY) -m pytest tests/networks/test_backends.py

# MeshiPhi and PolarRoute have an environment of their own; the package itself is found in lib/.
FORECAST ?= data/persisted/north_daily_forecast.2016-07-09.nc
clients: $(CLIENTS_ENV)  ## a ship's route through a daily forecast: make clients FORECAST=<file>
	mkdir -p results/clients
	$(CLIENTS_PY) -m papermill --no-progress-bar -p forecast $(FORECAST) clients/route.ipynb results/clients/route.ipynb
PRODUCT ?= data/$(RUN)/forecasts/latest
clients-ensemble: $(CLIENTS_ENV)  ## a ship's route through the evolutions of a monthly product: make clients-ensemble PRODUCT=<folder>
	mkdir -p results/clients
	$(CLIENTS_PY) -m papermill --no-progress-bar -p product $(PRODUCT) clients/ensemble.ipynb results/clients/ensemble.ipynb
clients-test: $(CLIENTS_ENV)  ## the tests that need MeshiPhi and PolarRoute
	$(CLIENTS_PY) -m pytest tests/products/test_clients.py tests/products/test_meshiphi.py tests/decisions/test_ensemble_routes.py

# The service has an environment of its own, too. HOST=0.0.0.0 opens it to others.
HOST ?= 127.0.0.1
PORT ?= 8765
serve: $(SERVE_ENV)  ## the finished forecasts for browsers and programs, read only: make serve PORT=8765
	$(SERVE_PY) -m seaice.serve.command --host $(HOST) --port $(PORT)
serve-test: $(SERVE_ENV)  ## the tests that need the service's environment
	$(SERVE_PY) -m pytest tests/serve tests/products/test_shelf.py
serve-bench: $(SERVE_ENV)  ## speed and memory of the service beside 10,000 products, at 200 requests a second
	$(SERVE_PY) benchmarks/service.py

watch: $(ENV)  ## what has crossed since the last forecast product, as watch.yml asks: make watch RUN=demo
	$(VENV)/bin/seaice watch $(RUN)

reference: $(ENV)  ## docs/reference, from the docstrings, and the tables and numbers of README and docs, from the tracked results
	$(PY) docs/build_reference.py
	$(PY) docs/build_tables.py
	$(PY) docs/build_values.py

# Nothing is executed: pages are those of the runs that are in results/. Its environment is small, and has no seaice.
book: $(BOOK_ENV)  ## the executed pages, docs and reference as a site: data/book/html/index.html
	PYTHONPATH=docs $(BOOK)/bin/python -m book

lab: $(ENV)  ## JupyterLab on the notebooks
	$(VENV)/bin/jupyter lab notebooks

# The deltas are taken from whole locks, which start from those of now, so that no version changes without a need.
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet
PACKAGE := pyproject.toml --extra test --extra lint
EXTRAS_cds := $(PACKAGE) --extra cpu --extra cds
EXTRAS_gpu := $(PACKAGE) --extra gpu
EXTRAS_jax := $(PACKAGE) --extra cpu --extra jax
EXTRAS_clients := $(PACKAGE) --extra clients
EXTRAS_serve := $(PACKAGE) --extra serve
# A group, not an extra: the book is built without the package and its two hundred others.
EXTRAS_book := --group book
lock:  ## compile the locks anew from pyproject.toml (needs uv)
	mkdir -p data/locks
	$(foreach d,$(DELTAS),$(whole) requirements.lock requirements-$(d).lock > data/locks/$(d).lock &&) true
	$(COMPILE) $(PACKAGE) --extra cpu -o requirements.lock
	$(foreach d,$(DELTAS),$(COMPILE) $(EXTRAS_$(d)) -c requirements.lock -o data/locks/$(d).lock &&) true
	$(foreach d,$(DELTAS),$(PYTHON) tools/locks.py delta requirements.lock data/locks/$(d).lock > requirements-$(d).lock &&) true

# Any other name is a run: `make nsidc_north` executes params/nsidc_north.yaml.
%: params/%.yaml $(ENV)
	$(PY) -m seaice.run $<

$(CLIENTS_ENV): requirements.lock requirements-clients.lock
	$(PYTHON) -m venv $(CLIENTS)
	$(whole) $^ > $(CLIENTS)/requirements.txt
	$(call install,$(CLIENTS)) --require-hashes -r $(CLIENTS)/requirements.txt -c $(CLIENTS)/requirements.txt
	touch $@

$(SERVE_ENV): requirements.lock requirements-serve.lock
	$(PYTHON) -m venv $(SERVE)
	$(whole) $^ > $(SERVE)/requirements.txt
	$(call install,$(SERVE)) --require-hashes -r $(SERVE)/requirements.txt -c $(SERVE)/requirements.txt
	touch $@

$(BOOK_ENV): requirements.lock requirements-book.lock
	$(PYTHON) -m venv $(BOOK)
	$(whole) $^ > $(BOOK)/requirements.txt
	$(call install,$(BOOK)) --require-hashes -r $(BOOK)/requirements.txt -c $(BOOK)/requirements.txt
	touch $@

$(VENV)/.made-from-newest: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(call install,$(VENV)) --upgrade -e '.[cpu,test,lint]'
	touch $@

$(LOCKED): $(LOCKS)
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python >= 3.11 is needed, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(whole) $^ > $(VENV)/requirements.txt
	$(call install,$(VENV)) --require-hashes -r $(VENV)/requirements.txt -c $(VENV)/requirements.txt
	$(call install,$(VENV)) --no-deps --no-build-isolation -e .
	touch $@
