GO ?= go
# Linters, at versions that are known to work with each other.
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.8.0
# How long each fuzz target runs.
FUZZTIME ?= 1m

.PHONY: all build demo test unit lua integration lint fuzz bench clean

all: build

build:
	$(GO) build -trimpath -o extdisco .

# Shows extdisco at work between a real Prosody and a real coturn.
demo:
	@contrib/install-needed demo
	@$(GO) run ./integration/demo

# Everything: the packages under the race detector, the module of Prosody on its
# own, then the real servers.
test: unit lua integration

unit:
	$(GO) vet -tags integration ./...
	$(GO) test -race ./...
	$(GO) test -run AllocatesNothing . ./component ./limit ./turncred ./xep0215 ./xmltext

# The Lua that Debian's Prosody runs with, and the stanzas of that Prosody.
lua:
	@contrib/install-needed test
	cd prosody && lua5.4 /usr/bin/busted --lpath='/usr/lib/prosody/?.lua;./?.lua' --cpath='/usr/lib/prosody/?.so' spec

integration: integration/clients/node_modules integration/.prosody13/prosody
	$(GO) test -tags integration -timeout 8m ./integration/...

integration/clients/node_modules: integration/clients/package-lock.json
	contrib/install-needed test
	cd integration/clients && npm ci --no-audit --no-fund --silent
	touch $@

integration/.prosody13/prosody: contrib/fetch-prosody13
	contrib/fetch-prosody13 integration/.prosody13

lint:
	@test -z "$$(gofmt -s -l .)" || { echo "gofmt -s would change:"; gofmt -s -l .; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags integration ./...
	$(GO) mod tidy -diff
	$(GO) run $(STATICCHECK) -tags integration ./...
	contrib/vulncheck $(GO) $(GOVULNCHECK)
	cd prosody && luacheck --no-color .

# Each fuzz target for a minute. What they find is kept in testdata/fuzz.
fuzz:
	contrib/fuzz $(GO) $(FUZZTIME)

# How fast it is, beside the servers' own modules: docs/performance.md. In full
# it takes some five minutes, with BENCH=quick less than one.
BENCHTIME = $(if $(filter quick,$(BENCH)),20ms,300ms)
bench:
	@contrib/install-needed bench
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./component ./xep0215 ./turncred ./limit .
	$(GO) run ./integration/bench $(if $(filter quick,$(BENCH)),-quick)

clean:
	rm -rf extdisco integration/clients/node_modules integration/.prosody13
