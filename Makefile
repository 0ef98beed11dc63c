# SPDX-License-Identifier: Apache-2.0
# A short front for meson and ninja. `make help` lists the targets.

BUILD    ?= build
CACHE    ?= $(or $(WASH_BUILD_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/wash-build)
# A packager's copy of libwasmtime: make WASMTIME=/usr
WASMTIME ?=
ADDR     ?= 127.0.0.1:8000
SUITES   ?= ../shared/suites

wasmtime_dir = $(or $(WASMTIME),$(shell cat $(CACHE)/wasmtime.path 2>/dev/null))
setup = meson setup $(1) --reconfigure -Dwasmtime=$(wasmtime_dir) $(2) >$(1).log 2>&1 || \
	meson setup $(1) -Dwasmtime=$(wasmtime_dir) $(2) >$(1).log 2>&1 || { cat $(1).log; exit 1; }

.PHONY: all run test deps wasmtime asan tsan fuzz fuzz-diff bench lint format coverage install clean help conformance
.DEFAULT_GOAL := all

## all: build everything into build/
all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

## run: install what is missing, build, and serve a component on http://$(ADDR)
run: $(BUILD)/build.ninja
	@ninja -C $(BUILD) src/wash/wash
	@$(BUILD)/src/wash/wash -C templates/http-hello-world dev

## test: build and run all tests
test: all
	@tools/run-tests $(BUILD)

## deps: install the Debian packages that the build needs
deps:
	@tools/install-deps

## wasmtime: build libwasmtime into the cache (once)
wasmtime: deps
	@if [ -z "$(WASMTIME)" ]; then mkdir -p $(CACHE) && tools/build-wasmtime >$(CACHE)/wasmtime.path; fi

$(BUILD)/build.ninja: | wasmtime
	@echo "meson: configuring $(BUILD)"
	@$(call setup,$(BUILD),)

## asan: the tests under clang with AddressSanitizer and UndefinedBehaviorSanitizer
asan: | wasmtime
	@export CC=clang; $(call setup,$(BUILD)-asan,-Db_sanitize=address$(comma)undefined -Db_lundef=false)
	@ninja -C $(BUILD)-asan && tools/run-tests $(BUILD)-asan

## tsan: the tests of threads under clang with ThreadSanitizer
tsan: | wasmtime
	@export CC=clang; $(call setup,$(BUILD)-tsan,-Db_sanitize=thread -Db_lundef=false)
	@ninja -C $(BUILD)-tsan && tools/run-tests $(BUILD)-tsan --suite threads

## fuzz: build the fuzz targets with libFuzzer and run each for SECONDS (default 600)
SECONDS ?= 600
fuzz: | wasmtime
	@export CC=clang; $(call setup,$(BUILD)-fuzz,-Dfuzz=true -Db_sanitize=address$(comma)undefined -Db_lundef=false)
	@ninja -C $(BUILD)-fuzz && tools/fuzz $(BUILD)-fuzz $(SECONDS)

## fuzz-diff: compare with wasm-tools on mutated components and on mutated WIT, each for SECONDS (default 600)
fuzz-diff: | wasmtime
	@$(call setup,$(BUILD),)
	@ninja -C $(BUILD) tests/conformance/wast/component-verdict tests/conformance/wit/wit-verdict
	@tools/fuzz-diff --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) \
		$(BUILD)/tests/conformance/wast/component-verdict \
		$(wildcard $(SUITES)) tests/fixtures tests/components fuzz/component
	@tools/fuzz-diff-wit --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) \
		$(BUILD)/tests/conformance/wit/wit-verdict $(wildcard $(SUITES)/wit-parser/ui) fuzz/wit

## bench: run the benchmarks beside their peers and print the tables
bench: all
	@bench/run $(BUILD)

## conformance: run the specification suites in SUITES (default ../shared/suites)
conformance: all
	@tools/conformance $(BUILD) $(SUITES)

## lint: layers, formatting, sizes
lint:
	@tools/check-layers && tools/check-format

## format: lay out the C sources with clang-format
format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

## coverage: line coverage of the tests (gcov)
coverage: | wasmtime
	@$(call setup,$(BUILD)-coverage,-Db_coverage=true)
	@ninja -C $(BUILD)-coverage && tools/run-tests $(BUILD)-coverage && ninja -C $(BUILD)-coverage coverage-text

## install: install wash (PREFIX, DESTDIR)
install: all
	@meson install -C $(BUILD)

## clean: remove the build folders (not the cache)
clean:
	@rm -rf $(BUILD) $(BUILD)-* $(BUILD).log

help:
	@sed -n 's/^## //p' Makefile

comma := ,
