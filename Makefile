GO ?= go
# Linters, at versions that are known to work with each other.
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.8.0
CYCLONEDX = github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
GREMLINS = github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0
# How long each fuzz target runs.
FUZZTIME ?= 1m

# The version that "extdisco version" shows; when empty, that of the commit.
VERSION ?=
# Where "make install" puts things, below DESTDIR.
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/extdisco
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
SYSCTLDIR ?= $(PREFIX)/lib/sysctl.d
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
PROSODYDIR ?= $(PREFIX)/lib/prosody/modules

LDFLAGS = -X main.version=$(VERSION) -X main.systemConfig=$(SYSCONFDIR)/extdisco/config.toml

.PHONY: all build pages install uninstall deb sbom demo test unit lua integration lint fuzz mutants soak attack bench clean

all: build

# Static, so that it runs on any Linux it is copied to.
build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o extdisco .

# Files to install that the binary generates, or that name the directories above.
pages: build
	mkdir -p build
	./extdisco man extdisco.1 > build/extdisco.1
	./extdisco man extdisco.toml.5 > build/extdisco.toml.5
	for shell in bash zsh fish; do ./extdisco completion $$shell > build/completion.$$shell; done
	sed -e 's|^ExecStart=/usr/local/bin/|ExecStart=$(BINDIR)/|' -e 's|/etc/extdisco/|$(SYSCONFDIR)/extdisco/|' \
		contrib/extdisco.service > build/extdisco.service
	for file in extdisco-relay.service without-relay.conf; do \
		sed -e 's|^ExecStart=/usr/local/bin/|ExecStart=$(BINDIR)/|' -e 's|/etc/extdisco/|$(SYSCONFDIR)/extdisco/|' \
			contrib/$$file > build/$$file || exit 1; done
	sed -E 's/((secret|password|token|key)_file *= ")/\1secrets\//' config.toml.example > build/config.toml

# Never overwrites a configuration. config.toml may hold secrets: only root and the service may
# read it. Before systemd-sysusers has run there is no such group, and chgrp comes afterwards.
CONFIG = $(DESTDIR)$(SYSCONFDIR)/extdisco/config.toml
install: pages
	install -d $(DESTDIR)$(SYSCONFDIR)/extdisco
	install -d -m 700 $(DESTDIR)$(SYSCONFDIR)/extdisco/secrets
	test -e $(CONFIG) || { install -m 640 build/config.toml $(CONFIG) && \
		{ chgrp extdisco $(CONFIG) 2>/dev/null || true; }; }
	install -D extdisco $(DESTDIR)$(BINDIR)/extdisco
	install -D -m 644 build/extdisco.1 $(DESTDIR)$(MANDIR)/man1/extdisco.1
	install -D -m 644 build/extdisco.toml.5 $(DESTDIR)$(MANDIR)/man5/extdisco.toml.5
	install -D -m 644 build/extdisco.service $(DESTDIR)$(UNITDIR)/extdisco.service
	install -D -m 644 build/extdisco-relay.service $(DESTDIR)$(UNITDIR)/extdisco-relay.service
	install -D -m 644 contrib/extdisco.service.d/relay.conf $(DESTDIR)$(UNITDIR)/extdisco.service.d/relay.conf
	install -D -m 644 contrib/extdisco-relay.sysctl $(DESTDIR)$(SYSCTLDIR)/60-extdisco-relay.conf
	install -D -m 644 contrib/extdisco.sysusers $(DESTDIR)$(SYSUSERSDIR)/extdisco.conf
	install -D -m 644 build/completion.bash $(DESTDIR)$(BASHDIR)/extdisco
	install -D -m 644 build/completion.zsh $(DESTDIR)$(ZSHDIR)/_extdisco
	install -D -m 644 build/completion.fish $(DESTDIR)$(FISHDIR)/extdisco.fish
	install -d $(DESTDIR)$(PROSODYDIR)/mod_extdisco_bridge
	install -m 644 prosody/mod_extdisco_bridge/*.lua $(DESTDIR)$(PROSODYDIR)/mod_extdisco_bridge
	install -d $(DESTDIR)$(DOCDIR)/examples $(DESTDIR)$(DOCDIR)/docs
	install -m 644 README.md CHANGELOG.md $(DESTDIR)$(DOCDIR)
	install -m 644 docs/*.md $(DESTDIR)$(DOCDIR)/docs
	install -m 644 build/config.toml contrib/turnserver.conf.example contrib/prometheus/alerts.yml \
		contrib/grafana/extdisco.json build/without-relay.conf $(DESTDIR)$(DOCDIR)/examples
	install -m 755 contrib/certbot/extdisco-relay $(DESTDIR)$(DOCDIR)/examples/certbot-extdisco-relay
	@test -n "$(DESTDIR)" || printf '%s\n' "Next, as root:" "  systemd-sysusers" \
		"  chgrp extdisco $(CONFIG)" "  systemctl daemon-reload" "Then see docs/operations.md."

# Keeps the configuration and the secrets.
uninstall:
	rm -f $(DESTDIR)$(BINDIR)/extdisco $(DESTDIR)$(MANDIR)/man1/extdisco.1 $(DESTDIR)$(MANDIR)/man5/extdisco.toml.5 \
		$(DESTDIR)$(UNITDIR)/extdisco.service $(DESTDIR)$(UNITDIR)/extdisco-relay.service \
		$(DESTDIR)$(UNITDIR)/extdisco.service.d/relay.conf $(DESTDIR)$(SYSCTLDIR)/60-extdisco-relay.conf $(DESTDIR)$(SYSUSERSDIR)/extdisco.conf $(DESTDIR)$(BASHDIR)/extdisco \
		$(DESTDIR)$(ZSHDIR)/_extdisco $(DESTDIR)$(FISHDIR)/extdisco.fish
	rm -rf $(DESTDIR)$(DOCDIR) $(DESTDIR)$(PROSODYDIR)/mod_extdisco_bridge

# A Debian package in build/deb, built with Debian's own tools and the Go in PATH.
deb:
	@contrib/install-needed deb
	contrib/build-deb $(GO) build/deb

# The modules that are compiled into the binary, as CycloneDX 1.6, in build/extdisco.cdx.json.
sbom: build
	mkdir -p build
	$(GO) run $(CYCLONEDX) bin -json -std -noserial -output build/extdisco.cdx.json \
		$(if $(VERSION),-version $(VERSION)) ./extdisco
	@echo "wrote build/extdisco.cdx.json"

# Runs extdisco with its relay behind a real Prosody, and asks as a client would.
demo:
	@contrib/install-needed demo
	@$(GO) run ./integration/demo

# Everything: unit tests under the race detector, those of the Prosody module, then the tests
# with real servers. Says which Debian packages are missing and asks before it installs them;
# INSTALL_PACKAGES=yes or =no answers beforehand.
test: unit lua integration

unit:
	$(GO) vet -tags integration ./...
	$(GO) test -race ./...
	$(GO) test -run AllocatesNothing ./component ./internal/... ./turncred ./xep0215

# With the Lua version and the stanza library of Debian's Prosody.
lua:
	@contrib/install-needed test
	cd prosody && lua5.4 /usr/bin/busted --lpath='/usr/lib/prosody/?.lua;./?.lua' --cpath='/usr/lib/prosody/?.so' spec

integration: integration/clients/node_modules integration/.prosody13/prosody
	$(GO) test -tags integration -timeout 25m -parallel 3 $$($(GO) list -tags integration ./integration/... | grep -v /packages$$)
	$(GO) test -tags integration -timeout 15m ./integration/packages # alone: it installs extdisco on this machine

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

# Each fuzz target for a minute. Failing inputs are kept in testdata/fuzz.
fuzz:
	contrib/fuzz $(GO) $(FUZZTIME)

# Changes the code in one place at a time and counts what the tests do not notice:
# docs/mutants.md. It takes an hour or two; for one package: make mutants MUTANTS=./xep0215
MUTANTS ?= $(wildcard ./component ./xep0215 ./turncred ./turncred/provider ./internal/limit ./internal/xmltext \
	./internal/secret ./internal/probe ./internal/web ./internal/config ./internal/migrate)
mutants:
	@contrib/mutants $(GO) $(GREMLINS) $(MUTANTS)

# Ten minutes of users, reloads and restarts; memory must be steady at the end.
SOAK ?= 10m
soak:
	@contrib/install-needed demo
	$(GO) run ./integration/soak -duration $(SOAK)

# Attacks extdisco behind a real Prosody and behind a server that keeps no rules, for a minute
# or as long as you say: make attack ATTACK=10m SEED=7. See docs/security.md.
ATTACK ?= 60s
SEED ?= 1
attack:
	@contrib/install-needed demo
	$(GO) run ./integration/attack -duration $(ATTACK) -seed $(SEED)

# Measures extdisco beside the servers' own modules: docs/performance.md. Takes about five
# minutes, with BENCH=quick less than one.
BENCHTIME = $(if $(filter quick,$(BENCH)),20ms,300ms)
bench:
	@contrib/install-needed bench
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./component ./xep0215 ./turncred ./internal/...
	$(GO) run ./integration/bench $(if $(filter quick,$(BENCH)),-quick)

clean:
	rm -rf extdisco build integration/clients/node_modules integration/.prosody13
