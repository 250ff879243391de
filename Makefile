# Each target sets up what it needs in .venv. PYTHON=python3.12 make ... chooses the Python.

PYTHON ?=
ARGS ?=
EXECUTE ?=
FRESH ?=
LANGUAGE ?=
CHAPTERS ?= $(filter-out chapters/__%,$(wildcard chapters/*.py))
python := .venv/bin/python
checked := d2l_gan chapters tests setup.py .ci .book

.PHONY: help test test-slow test-pythons lint format scores bench gpu weather cluster notebooks lab book \
	epub translations dist doctor clean FORCE
.DELETE_ON_ERROR:

help: ## Print these targets.
	@sed -n 's/^\([a-z%-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | sed 's/%/NAME/' | \
		awk -F'|' '{printf "%-24s%s\n", $$1, $$2}'

chapter-%: .venv/.base ## Train a chapter, as in: make chapter-gaussian ARGS="--num-epochs 3".
	@$(python) -m chapters $* $(ARGS)

chapter-xla chapter-conditional chapter-mode_collapse chapter-parallel: .venv/.xla

doctor: .venv/.base ## Say what is installed here, what would fail and what mends it.
	@$(python) -m d2l_gan

# One thread: the same bits on every machine, and no waiting for each other on a busy one.
test test-slow test-pythons: export OMP_NUM_THREADS ?= 1
# Compiled once and not by each process anew, which takes it longer than most tests.
test test-slow: export PYTHONDONTWRITEBYTECODE =

test: .venv/.test ## Run the fast tests and print the coverage of d2l_gan.
	$(python) -m pytest -n 2 --dist loadfile -m 'not slow' --cov --cov-report=term-missing \
		$(if $(ARGS),$(ARGS),--cov-fail-under=95)

test-slow: .venv/.test .venv/.notebook .venv/.book .venv/.npm ## Run the slow tests, those in a browser too.
	$(python) -m pytest -m slow $(ARGS)

test-pythons: .venv/.test ## Install afresh and train on each CPython, 3.8 to 3.13, that is here.
	$(python) -m nox -f .ci/noxfile.py $(ARGS)

lint: .venv/.test ## Check the code with ruff.
	$(python) -m ruff check $(checked)
	$(python) -m ruff format --check $(checked)

format: .venv/.test ## Format the code with ruff.
	$(python) -m ruff check --fix $(checked)
	$(python) -m ruff format $(checked)

scores: .venv/.test ## Print how good each chapter's samples are, over several seeds.
	$(python) -m tests.benchmarks.scores $(ARGS)

bench: .venv/.test .venv/.xla ## Time a training step beside the textbook's code and PyTorch.
	$(python) -m tests.benchmarks $(ARGS)

# With CUDA's JAX, unless it is a rehearsal.
gpu: .venv/.test $(if $(findstring --rehearse,$(ARGS)),.venv/.xla,.venv/.gpu) ## Prove on a GPU: chapters, parity, timing; ARGS=--rehearse without one.
	$(python) -m tests.benchmarks.gpu $(ARGS)

weather: .venv/.test ## Kill, damage and starve trainings, and print what was lost.
	$(python) -m tests.benchmarks.weather $(ARGS)

cluster: .venv/.xla ## Rehearse several machines: make cluster ARGS="dcgan --processes 4".
	@$(python) -m d2l_gan.rehearse $(ARGS)

notebooks: .venv/.notebook ## Turn the chapters into build/notebooks; EXECUTE=1 runs them, LANGUAGE=zh.
	@$(python) .ci/notebooks.py $(if $(EXECUTE),--execute) $(if $(FRESH),--fresh) \
		$(if $(LANGUAGE),--language $(LANGUAGE)) $(CHAPTERS)

lab: notebooks ## Open the notebooks in JupyterLab; LANGUAGE=zh for the Chinese ones.
	$(if $(LANGUAGE),D2L_GAN_LANG=$(LANGUAGE)) \
	$(python) -m jupyterlab --config=.ci/jupyter.py --ServerApp.root_dir=. \
		--LabApp.default_url=/lab/tree/build/notebooks$(patsubst %,/%,$(filter-out en,$(LANGUAGE))) $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS)

book: .venv/.book ## Build the book, to read in a browser, in build/book and build/book/zh.
	$(python) -m sphinx -n -W --keep-going -b html .book build/book $(ARGS)
	$(python) -m sphinx -n -W --keep-going -b html -D language=zh_CN .book build/book/zh $(ARGS)

epub: .venv/.book ## Write what build/book shows as EPUBs, in build/epub/en and build/epub/zh.
	@rm -rf build/epub
	$(python) -m sphinx -n -W --keep-going -b epub -d build/epub/trees/en .book build/epub/en
	$(python) -m sphinx -n -W --keep-going -b epub -D language=zh_CN -d build/epub/trees/zh .book build/epub/zh

translations: .venv/.book ## Bring the translations in step with README, book and chapters.
	$(python) .book/translation.py

dist: .venv/.release ## Build the wheel and the source archive in dist/, and check both.
	rm -rf dist
	$(python) -m build
	$(python) -m twine check --strict dist/*
	$(python) -m check_wheel_contents dist/*.whl

clean: ## Remove the environment and everything that was generated.
	rm -rf .venv .nox build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .coverage* htmlcov
	find d2l_gan chapters tests .ci -name __pycache__ -exec rm -rf {} +

# The recipe always runs, but touches its file only where .venv had to be made anew.
.venv/.python: FORCE
	@.ci/venv "$(PYTHON)"

.venv/.base: .venv/.python setup.py .ci/install
	@echo 'Installing d2l_gan with MXNet: about a minute, and 800 MB, the first time' >&2
	@.ci/install .venv
	@touch $@

.venv/.test .venv/.notebook .venv/.book .venv/.xla .venv/.gpu .venv/.release: .venv/.base
	@echo 'Installing the extra $(subst .,,$(notdir $@))' >&2
	@.ci/install .venv $(subst .,,$(notdir $@))
	@touch $@

# axe-core, for the tests in a browser, checked by npm against the hash in package-lock.json.
.venv/.npm: .venv/.python .ci/npm/package-lock.json
	@mkdir -p .venv/npm && cp .ci/npm/*.json .venv/npm
	@if command -v npm >/dev/null && npm ci --silent --ignore-scripts --prefix .venv/npm; \
	then touch $@; else echo 'Without npm, what axe-core finds in the book is not tested.' >&2; fi
