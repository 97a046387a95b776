# The command vocabulary of the project. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help demo deps test test-fast check bench soak verify states
export PYTHON

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The values travel through the environment, so a folder with blanks in its name arrives whole.
demo: ## play one request from intake to a viewable volume, then serve it (SERVE=0, RAW=FOLDER VOXEL=z,y,x, CLUSTER=NAME)
	@scripts/install.sh demo
	@LIGHTSERV_DEMO=1 .venv/bin/python manage.py play_demo \
		$(if $(filter 0,$(SERVE)),--no-serve) \
		$(if $(RAW),--raw "$$RAW") $(if $(VOXEL),--voxel "$$VOXEL") $(if $(ORIENTATION),--orientation "$$ORIENTATION") $(if $(CLUSTER),--cluster "$$CLUSTER")

deps: ## as root on Debian: the packages that tests and production need, and all of .venv
	@scripts/deps.sh

test: ## everything this machine can run (LIGHTSERV_REQUIRE=all: a missing service is a failure)
	@scripts/test.sh

test-fast: ## unit, app, contract and architecture tests, no services
	@scripts/install.sh dev
	@.venv/bin/python -m pytest -n auto --maxprocesses 4 --dist loadgroup \
		$(wildcard tests/unit tests/app tests/contract tests/architecture)

check: ## format, lint, types, import contracts, migrations, deployment checks, generated pages
	@scripts/install.sh dev
	@scripts/check.sh

bench: ## every benchmark as one table and var/bench.json (COMPARE=FILE, SIZE=small)
	@scripts/install.sh dev
	@.venv/bin/python -m bench.run $(if $(COMPARE),--compare "$$COMPARE") $(if $(SIZE),--size "$$SIZE")

soak: ## 500 jobs on a private Slurm over SSH while things break for ten minutes (JOBS=, SECONDS=, SEED=)
	@scripts/install.sh dev
	@.venv/bin/python -m tests.soak $(if $(JOBS),--jobs $(JOBS)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

verify: ## how right the products are, as one table of figures (LIGHTSERV_REAL_DATA=FOLDER: on real brains too)
	@scripts/install.sh dev
	@.venv/bin/python -m tests.verify

states: ## write docs/states.md from the tables in the code
	@scripts/install.sh dev
	@LIGHTSERV_DEMO=1 .venv/bin/python manage.py render_states
