# Porchlight. `make` alone lists what there is. Needs Node.js 20 or newer with npm, and make; everything else is
# installed below node_modules, the Node.js that runs the box included.

SHELL := /bin/sh
NODE := scripts/node
BIN := node_modules/.bin
INSTALLED := node_modules/.package-lock.json
BUNDLE := build/porchlight.js
# UDP in batches is compiled C: where there is no compiler, or not for it, the box uses what Node.js has (node:dgram).
ADDON := $(if $(shell command -v $(CC)),build/udp-batch.node)
ADDON_SOURCE := src/platform/transport/udp-batch/udp-batch.c
SOURCES := $(shell find src -name '*.ts')
TESTS := 'test/{unit,contract,conformance,flows,end-to-end}/**/*.test.ts' 'test/*.test.ts' 'image/checks/rows.test.ts'

DATA ?= data
SEED ?=
FUZZ_SECONDS ?= 60
FUZZ_TARGET ?=
FUZZ_COUNT ?=
BENCH_OPTIONS ?=
BOARD ?= amd64
# A part of the image's checks and tests, where the whole takes too long: a pattern of files.
IMAGE_CHECKS ?= image/checks/*.test.ts
IMAGE_TESTS ?= test/image/*.test.ts

.DEFAULT_GOAL := help
.PHONY: help run build test types lint unit demo interop bench fuzz sim image image-base bundle image-check image-test clean

help: ## list these targets
	@echo 'make TARGET, where TARGET is one of'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

run: build ## build and start the box here, with two demo users the first time (DATA=data); Ctrl-C stops it
	@scripts/porchlight serve --data $(DATA)

build: $(BUNDLE) $(ADDON) ## make scripts/porchlight ready to use

test: build types lint unit ## everything that needs no other software: types, lint, all suites, simulation, fuzz
	$(NODE) test/simulation/run.ts --seconds 60
	$(NODE) test/fuzz/run.ts --seconds 10

types: $(INSTALLED) ## check the types
	$(BIN)/tsc -p tsconfig.json

lint: $(INSTALLED) ## check format, lint rules and dead code
	$(BIN)/biome check --error-on-warnings
	$(NODE) $(BIN)/knip -c .ci/knip.json --no-config-hints

unit: build ## run the test suites
	$(NODE) --test $(TESTS)

demo: build ## play a conversation against the running box and draw it
	@$(NODE) scripts/demo.ts --data $(DATA)

interop: build ## run against other people's servers and clients, installed from Debian
	@sh test/interop/install.sh interop
	$(NODE) --test --test-concurrency=1 'test/interop/*.test.ts'

bench: build ## measure CPU and memory per operation, Kamailio beside it (BENCH_OPTIONS=--profile says where the time goes)
	@sh test/interop/install.sh bench
	$(NODE) test/bench/main.ts --json build/bench.json $(BENCH_OPTIONS)

fuzz: $(INSTALLED) ## throw mutated input at every parser (FUZZ_SECONDS=60, SEED=; or FUZZ_TARGET= FUZZ_COUNT=)
	$(NODE) test/fuzz/run.ts $(if $(FUZZ_COUNT),--count $(FUZZ_COUNT),--seconds $(FUZZ_SECONDS)) \
	  $(if $(FUZZ_TARGET),--target $(FUZZ_TARGET)) $(if $(SEED),--seed $(SEED))

sim: $(INSTALLED) ## simulate seeded worlds; SEED= repeats one
	$(NODE) test/simulation/run.ts $(if $(SEED),--seed $(SEED),--seconds 60)

image: build ## build the image of a board (BOARD=amd64, arm64) to flash; needs Debian 12 and its packages, image/README.md says which
	$(NODE) image/build.ts image --board $(BOARD) $(IMAGE_OPTIONS)

image-base: $(INSTALLED) ## only fetch what the image takes from Debian and npm; make image does, too
	$(NODE) image/build.ts base --board $(BOARD) $(IMAGE_OPTIONS)

bundle: build ## build the signed update bundle of a board (BOARD=amd64)
	$(NODE) image/build.ts bundle --board $(BOARD) $(IMAGE_OPTIONS)

image-check: build ## check the hardening of the image that make image has built (BOARD=amd64)
	BOARD=$(BOARD) IMAGE_OPTIONS='$(IMAGE_OPTIONS)' $(NODE) --test '$(IMAGE_CHECKS)'

image-test: build ## boot the images in an emulator: all tests of BOARD; without it those of amd64, and arm64's first start and conversation
	BOARD=$(BOARD) $(NODE) --test --test-concurrency=1 '$(IMAGE_TESTS)'
ifeq ($(origin BOARD),file)
	BOARD=arm64 $(NODE) --test --test-concurrency=1 'test/image/{boot,flows}.test.ts'
endif

clean: ## remove what was built; the data directory stays
	rm -rf build

# npm writes this file last, so it is newer than the lock exactly when node_modules follows it.
$(INSTALLED): package-lock.json
	npm ci --no-audit --no-fund
	@touch $@

$(BUNDLE): $(INSTALLED) $(SOURCES) package.json
	@mkdir -p build
	$(BIN)/esbuild src/main.ts --bundle --outfile=$@.new --platform=node --format=esm --target=node24 \
	  --external:lmdb --legal-comments=none --log-level=warning
	@mv $@.new $@

# The Node.js that runs the box brings the headers. What cannot be compiled is told and left out.
build/udp-batch.node: $(INSTALLED) $(ADDON_SOURCE)
	@mkdir -p build
	@$(CC) -O2 -std=c11 -Wall -Wextra -fPIC -fvisibility=hidden -shared -o $@.new $(ADDON_SOURCE) \
	  -I"$$($(NODE) -p 'require("path").resolve(process.execPath, "../../include/node")')" && mv $@.new $@ || \
	  echo 'the UDP addon could not be compiled: the box uses node:dgram' >&2
