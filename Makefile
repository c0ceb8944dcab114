# What CI runs is `make check`.
.PHONY: build check lint test race fuzz torture bench demo release clean

GO ?= go
# Tools are pinned here and built from source by the module proxy.
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
# Inputs that each fuzzer tries.
FUZZCOUNT ?= 40000

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o bin/ ./cmd/...

check: lint test fuzz

lint:
	$(GO) vet ./...
	GOFLAGS= $(GO) run $(GOLANGCI) run ./...
	$(GO) mod tidy -diff

# Runs real servers; installs Debian's packages where they are missing.
test:
	./scripts/test-packages
	$(GO) test -race -shuffle=on -timeout 20m ./...

fuzz:
	GO=$(GO) ./scripts/fuzz $(FUZZCOUNT)

# Longer than anybody wants to wait for at every commit. See docs/reliability.md.
torture:
	./scripts/test-packages
	$(GO) test -v -count=1 -timeout 300m ./test/torture -torture.all
	$(GO) test -race -shuffle=on -count=5 -timeout 60m ./...
	$(MAKE) fuzz FUZZCOUNT=1000000

# Beside rsync on the same nodes, in one run. See docs/performance.md.
bench:
	./scripts/test-packages
	$(GO) run ./bench -nodes 1,8,32
	$(GO) run ./bench/checks
	$(GO) run ./bench/desk

demo:
	$(GO) run ./cmd/rollcall demo

# Both platforms of rollcall-node beside rollcall, for each platform of rollcall.
release:
	@set -e; for arch in amd64 arm64; do \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build -trimpath -buildvcs=false -ldflags "-s -w" -o dist/node/rollcall-node-linux-$$arch ./cmd/rollcall-node; \
	done; \
	for os in linux darwin; do for arch in amd64 arm64; do \
		d=dist/rollcall-$$os-$$arch; mkdir -p $$d; \
		CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch $(GO) build -trimpath -buildvcs=false -ldflags "-s -w" -o $$d/rollcall ./cmd/rollcall; \
		cp dist/node/* $$d/; \
		tar -C dist -czf $$d.tar.gz rollcall-$$os-$$arch; \
	done; done

clean:
	rm -rf bin dist
