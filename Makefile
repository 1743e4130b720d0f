# SPDX-License-Identifier: GPL-3.0-or-later
# The few commands that a person types. What they do is in build-aux/, one script each.

.DEFAULT_GOAL := help
.PHONY: help setup build run test soak check bench format demo screenshots translations pseudo flatpak-check fresh-machine clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Get what is needed to build; does nothing when it is there
	@build-aux/sdk setup

build: ## Release programs: build/reflection and build/reflection-cli
	@build-aux/build

run: ## Start the application; without a display, play the demonstration
	@build-aux/run $(ARGS)

test: ## All tests, with the demonstration as one of them
	@build-aux/test

soak: ## Long outages, then simulated networks, crashes and disks for SECONDS (1800)
	@build-aux/soak $(SECONDS)

check: ## Format, lints, licences and the project's own rules
	@build-aux/check

bench: ## Measure everything and write docs/benchmarks.md; ARGS="node catch-up" measures one row, ARGS=beside other systems
	@build-aux/bench $(ARGS)

format: ## Format the sources
	@cargo fmt --all
	@git ls-files -co --exclude-standard '*/benches/peers/*.rs' | xargs -r rustfmt --edition 2024
	@git ls-files -co --exclude-standard '*.blp' | xargs -r build-aux/sdk run blueprint-compiler format --fix --no-diff

demo: ## Two people write one document on a virtual screen; pictures in demo/
	@build-aux/run --demo

screenshots: ## A picture of every screen, light and dark, wide and narrow, in docs/screenshots/
	@build-aux/screenshots $(ARGS)

translations: ## Bring po/ up to date with the sources and say what is missing
	@build-aux/sdk run build-aux/update-translations

pseudo: ## Look for untranslated strings on the screen, by a language that does not exist
	@build-aux/pseudo

flatpak-check: ## Build, install and use the Flatpak (ARGS=--release: optimised)
	@build-aux/flatpak-check $(ARGS)

fresh-machine: ## Prove that a bare machine is enough (as root; ARGS="--suite trixie")
	@build-aux/fresh-machine $(ARGS)

clean: ## Delete what was built; the root file system in the cache stays
	@rm -rf build demo target
