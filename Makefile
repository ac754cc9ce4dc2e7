# `make` alone lists what can be made.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Runs what follows with FORGE_BIN, ANVIL_BIN and CAST_BIN set.
TOOLS := scripts/tools.sh
CARGO ?= cargo
PYTHON ?= python3
# The contracts by themselves and from nothing: what the compiler is given along with them may show in its output, and
# what it had cached would hide its warnings.
COMPILE := $(TOOLS) forge build contracts/src --force --out target/forge/src --cache-path target/forge/src-cache
NODE_STAMP := node_modules/.package-lock.json
VENV := target/venv
VENV_STAMP := $(VENV)/.installed

# The demonstration: make demo N=7 W=4 Q=4 ORDERS=500 KEYS=keystore,hsm,enclave KEEP=1
N ?=
W ?=
Q ?=
ORDERS ?=
KEYS ?=
KEEP ?=
DEMO_FLAGS := $(if $(N),--n $(N)) $(if $(W),--w $(W)) $(if $(Q),--q $(Q)) $(if $(ORDERS),--orders $(ORDERS)) $(if $(KEYS),--keys $(KEYS)) $(if $(KEEP),--keep)

.PHONY: help
help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' Makefile

# —— Setting up

.PHONY: setup
setup: $(NODE_STAMP) venv ## Installs the pinned tools into node_modules and target/venv
	@$(TOOLS) --print

$(NODE_STAMP): package.json package-lock.json
	@command -v npm >/dev/null || { echo "npm is not there: the contracts' compiler and libraries come with it (Node.js 20 or newer)" >&2; exit 1; }
	npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

# Never fails: without Python only the vectors' third check is missing, and test-vectors says so.
.PHONY: venv
venv:
	@if [[ ! $(VENV_STAMP) -nt contracts/vectors/requirements.txt ]]; then \
	  if ! command -v $(PYTHON) >/dev/null; then echo "$(PYTHON) is not there: no $(VENV)"; \
	  elif ! { $(PYTHON) -m venv $(VENV) && $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement contracts/vectors/requirements.txt; }; \
	  then echo "$(VENV) could not be made"; \
	  else touch $(VENV_STAMP); fi; \
	fi

# —— Testing

.PHONY: test
test: test-contracts test-vectors test-rust ## Runs all tests

.PHONY: test-contracts
test-contracts: $(NODE_STAMP) ## Runs the contracts' unit, fuzz and invariant tests
	node contracts/test/trees.mjs
	$(TOOLS) forge test

CALLS ?= 1000000

.PHONY: invariants
invariants: $(NODE_STAMP) ## Runs all invariants over a million random calls, or CALLS=
	$(TOOLS) scripts/invariants.sh $(CALLS)

# By the unit and fuzz tests alone. Compiled for coverage the tests' callees take more gas, so two that count it are left out.
.PHONY: coverage
coverage: $(NODE_STAMP) ## Says which lines, statements and branches of the contract its tests reach (target/coverage.lcov)
	$(TOOLS) forge coverage --ir-minimum --exclude-tests --report summary --report lcov --report-file target/coverage.lcov \
	  --no-match-contract 'StolenKeys|RingsInvariant' --no-match-test 'AllOfTheSignedGas|TheLeastGasThatIsAccepted'
	node contracts/test/coverage.mjs target/coverage.lcov

.PHONY: test-vectors
test-vectors: $(NODE_STAMP) venv ## Checks contracts/vectors with viem (check*.mjs) and eth-account (check*.py)
	@for check in $(wildcard contracts/vectors/check*.mjs); do echo "$$check"; node "$$check"; done
	@if [[ -e $(VENV_STAMP) ]]; then \
	  for check in $(wildcard contracts/vectors/check*.py); do echo "$$check"; $(VENV)/bin/python "$$check"; done; \
	else echo "NOT RUN: contracts/vectors/check*.py, which need $(PYTHON) with venv and pip"; fi

.PHONY: test-rust
test-rust: $(NODE_STAMP) programs ## Runs the Rust tests, end-to-end ones included
	$(TOOLS) $(CARGO) test --locked --workspace

SIGNERS_VENV := target/signers-venv
SIGNERS_STAMP := $(SIGNERS_VENV)/.installed
# ONLY="vault pkcs11": those only
ONLY ?=

.PHONY: offline
offline: ## Builds ring-keys as one static file for the offline machine, into target/offline
	@scripts/offline.sh

.PHONY: signers
signers: $(SIGNERS_STAMP) ## Runs one suite against every way to hold a key, with the real thing behind it (ONLY=)
	$(CARGO) build --locked -p ring-key-conformance -p ring-signer
	@VENV=$(SIGNERS_VENV) scripts/signers.sh "$${CARGO_TARGET_DIR:-target}/debug/signers" $(ONLY)

# Without Python there is neither moto nor OpenBao, unless the latter is on PATH; the suite says what was not run.
$(SIGNERS_STAMP): key/conformance/requirements.txt
	@mkdir -p $(SIGNERS_VENV)
	@$(PYTHON) -m venv $(SIGNERS_VENV) && $(SIGNERS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $< \
	  && touch $@ || echo "$(SIGNERS_VENV) could not be made"

.PHONY: lint
lint: $(NODE_STAMP) ## Checks formatting, lints, the contracts' warnings and sizes, the committed artifacts, deploy/
	$(CARGO) fmt --all --check
	$(TOOLS) forge fmt --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings
	$(COMPILE) --deny warnings --sizes
	scripts/artifacts.mjs --check
	scripts/deploy-check.mjs

.PHONY: fmt
fmt: $(NODE_STAMP) ## Formats everything
	$(CARGO) fmt --all
	$(TOOLS) forge fmt

# Needs strace: apt-get install strace, dnf install strace, …; RING_SWEEP_POINTS and RING_SWEEP_ERRORS say how many points.
.PHONY: kill-sweep
kill-sweep: $(NODE_STAMP) programs ## Kills a relayer at one system call after the other, and breaks its disk (needs strace)
	@command -v strace >/dev/null || { echo "strace is not there: install it, for instance by apt-get install strace" >&2; exit 1; }
	$(TOOLS) $(CARGO) test --locked --workspace --test end_to_end -- --ignored --nocapture --exact \
	  kill_sweep::a_relayer_killed_at_every_system_call_pays_each_order_once

# KILLS=2000, or KILL_MINUTES=60 at most
KILLS ?= 2000
KILL_MINUTES ?=

.PHONY: kills
kills: $(NODE_STAMP) programs ## Kills relayers at random moments, with reorganisations (KILLS= KILL_MINUTES=)
	RING_KILLS=$(KILLS) $(if $(KILL_MINUTES),RING_KILL_MINUTES=$(KILL_MINUTES)) $(TOOLS) $(CARGO) test --locked --workspace \
	  --test end_to_end -- --ignored --nocapture --exact kills::thousands_of_kills_and_reorganisations_pay_each_order_once

# —— Trying and building

.PHONY: demo
demo: $(NODE_STAMP) programs ## Runs a chain, a ring and many orders (N= W= Q= ORDERS= KEYS=keystore,hsm,enclave KEEP=1)
	@$(if $(findstring hsm,$(KEYS)),SOFTHSM2_MODULE="$$(scripts/softhsm.sh)") $(TOOLS) "$${CARGO_TARGET_DIR:-target}/debug/demo" $(DEMO_FLAGS)

.PHONY: programs
programs:
	@command -v $(CARGO) >/dev/null || { echo "$(CARGO) is not there: install Rust (rust-toolchain.toml says which)" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "cc is not there: SQLite, secp256k1 and ring are compiled from C" >&2; exit 1; }
	$(CARGO) build --locked -p ring-relayer -p ring-signer -p ring-keys -p ring-anvil

.PHONY: artifacts
artifacts: $(NODE_STAMP) ## Compiles the contracts into contracts/bindings/artifacts, which is committed
	$(COMPILE)
	scripts/artifacts.mjs

.PHONY: gas
gas: $(NODE_STAMP) ## Measures what turns cost beside a Safe, and writes docs/GAS.md
	@$(TOOLS) node contracts/gas/measure.mjs

.PHONY: gas-check
gas-check: $(NODE_STAMP) ## Fails if a turn costs another amount than what is committed
	@$(TOOLS) node contracts/gas/measure.mjs --check

# MUTANTS="--all", "--count 50 --seed 7" …; see contracts/mutants/run.mjs
MUTANTS ?=

.PHONY: mutants
mutants: $(NODE_STAMP) ## Plants small mistakes in the contract, of which the tests must notice 95 % (long)
	@$(TOOLS) node contracts/mutants/run.mjs $(MUTANTS)

# PROPERTIES='Nonce|Halt': only those whose names match
PROPERTIES ?=
PROVE_VENV := target/prove-venv
PROVE_STAMP := $(PROVE_VENV)/.installed

.PHONY: prove
prove: $(NODE_STAMP) $(PROVE_STAMP) ## Proves the contracts' properties symbolically, and has slither read them (long)
	@PROVE_VENV=$(PROVE_VENV) $(TOOLS) node scripts/prove.mjs '$(PROPERTIES)'

$(PROVE_STAMP): contracts/test/symbolic/requirements.txt
	$(PYTHON) -m venv $(PROVE_VENV)
	$(PROVE_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

# Some measures only, and how many runs make a figure: make bench ONLY="idle-order throughput" RUNS=3
ONLY ?=
RUNS ?=
BENCH_FLAGS := $(if $(ONLY),--only '$(ONLY)') $(if $(RUNS),--runs $(RUNS))

.PHONY: bench
bench: $(NODE_STAMP) ## Measures relayers beside a lone sender, and writes docs/BENCH.md (ONLY= RUNS=)
	@command -v $(CARGO) >/dev/null || { echo "$(CARGO) is not there: install Rust (rust-toolchain.toml says which)" >&2; exit 1; }
	$(CARGO) build --locked --release -p ring-relayer -p ring-keys -p ring-bench
	@$(TOOLS) "$${CARGO_TARGET_DIR:-target}/release/bench" --document docs/BENCH.md $(BENCH_FLAGS)

# SEEDS=100000 FROM=7, or MINUTES=60
SEEDS ?= $(if $(MINUTES),,1000)
FROM ?=
MINUTES ?=
SIMULATE := $(if $(SEEDS),--seeds $(SEEDS)) $(if $(FROM),--from $(FROM)) $(if $(MINUTES),--minutes $(MINUTES))

.PHONY: simulate
simulate: ## Lives whole rings under seeded faults and checks every promise (SEEDS= FROM= MINUTES=)
	$(CARGO) run --locked --release -p ring-simulation -- $(SIMULATE)

.PHONY: simulate-bugs
simulate-bugs: ## Plants mistakes in core, store and driver, and sees the simulation find each of them
	$(CARGO) run --locked --release -p ring-simulation --features planted-bugs -- --bugs --minutes $(or $(MINUTES),10)

.PHONY: incidents
incidents: ## Replays thefts that happened, of a plain wallet and of rings, and writes docs/INCIDENTS.md
	$(CARGO) run --locked --release -p ring-simulation --bin incidents -- --document docs/INCIDENTS.md

.PHONY: clean
clean: ## Removes all that was built (not node_modules)
	rm -rf target
