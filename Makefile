# The two commands of a newcomer: `make demo` and `make test`. Both set up a
# bare Debian 12 machine first. `make help` lists the rest.

GO := $(shell [ -x .toolchain/bin/go ] && echo $(CURDIR)/.toolchain/bin/go || echo go)
GOFMT = $(shell $(GO) env GOROOT)/bin/gofmt
GOARCH := $(shell $(GO) env GOARCH 2>/dev/null || echo amd64)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.0
GUEST := guest/program/bin/ambient-guest-$(GOARCH)
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME := 20s

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile

demo: setup ## set up this machine, build, and run examples/hello
	$(MAKE) build
	bin/ambient -chdir=examples/hello apply

test: setup-test ## set up this machine and run every test, real virtual machines included
	$(MAKE) check unit vm

setup:
	@scripts/setup run

setup-test:
	@scripts/setup test

build: $(GUEST).stamp ## build bin/ambient with the guest program inside
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w -X main.version=$(VERSION)' -o bin/ambient ./cmd/ambient

.DELETE_ON_ERROR:

# Tests are among them: that a package has another changes what Go calls the program.
GUEST_SOURCES := $(wildcard guest/*.go guest/agent/*.go cmd/ambient-guest/*.go)
$(GUEST): $(GUEST_SOURCES) go.mod
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags='-s -w' -o $@ ./cmd/ambient-guest

$(GUEST).stamp: $(GUEST)
	{ sha256sum < $< && head -c 4096 $< | sha256sum; } | cut -d' ' -f1 > $@

check: ## what is cheap: format, vet, staticcheck, shell scripts
	@unformatted=$$($(GOFMT) -l $$(git ls-files '*.go')); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted"; exit 1; }
	@for s in scripts/setup .ci/run; do bash -n $$s || exit 1; done
	$(GO) vet -tags=vm ./...
	$(GO) run $(STATICCHECK) -tags=vm ./...

unit: $(GUEST).stamp ## tests that need no virtual machine, with the race detector
	$(GO) test -race ./...

vm: build ## tests that boot virtual machines; they fail where none can boot
	$(GO) test -tags=vm -timeout=60m -p=1 -run='^TestVM' ./...

FUZZ := $(shell grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -rn1 dirname | sort -u)
fuzz: ## run every fuzz test for FUZZTIME
	@for dir in $(FUZZ); do for f in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' $$dir/*_test.go); do \
		echo "== $$dir $$f"; $(GO) test -run='^$$' -fuzz="^$$f\$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=1x $$dir || exit 1; done; done

RUNS := 5
FIGURES :=
bench: build ## measure what docs/performance.md promises and put its table there; RUNS=5 FIGURES='-only=hello'
	$(GO) test -run='^$$' -bench=. -benchtime=9x ./bench
	$(GO) test -tags=vm -run='^$$' -bench=VMDownload -benchtime=5x ./runner
	$(GO) run ./bench/figures -runs=$(RUNS) -write=docs/performance.md $(FIGURES)

docs: ## write docs/language.md from the schema
	$(GO) run ./internal/docgen

clean: ## remove what was built
	rm -rf bin $(GUEST) $(GUEST).stamp

.PHONY: help demo test setup setup-test build check unit vm fuzz bench docs clean
