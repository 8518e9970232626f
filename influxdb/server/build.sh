#!/bin/sh
# Builds the InfluxDB server that go.mod names: sh build.sh FILE.
#
# InfluxDB's licence lets everyone have its server, but no package registry has it as a program. Flux,
# its query language, is written in Rust, so there are three steps: fetch the sources through the Go
# module proxy, compile libflux with cargo into a static library, compile influxd against it with Go
# and a C compiler. All of it happens in a folder beside FILE; the module cache is only read. What a
# failed build has done is kept, so that the next try is quick.
set -eu
file=$1
work=$1.build
cd "${0%/*}"
export GOWORK=off GOFLAGS=-buildvcs=false CGO_ENABLED=1
mkdir -p "$work"

# Everything that is missing is named at once.
missing=
need() {
	command -v "$1" >/dev/null || missing="$missing$1 is missing: $2
"
}
need go 'install Go 1.26 from https://go.dev/dl'
need cargo 'install Rust with https://rustup.rs'
set -- $(go env CC 2>/dev/null || echo "${CC:-cc}")
need "$1" 'install a C compiler, such as gcc or clang (Debian: apt-get install gcc libc6-dev, macOS: xcode-select --install)'
free=$(df -Pk "$work" | awk 'NR == 2 { print int($4 / 1024) }')
[ "$free" -ge 3072 ] || missing="$missing$work has $free MiB free, the build needs about 3072: free some, or set XDG_CACHE_HOME to a folder elsewhere
"
if [ -n "$missing" ]; then
	echo "${missing}or do without this build: set INFLUXD to the path of an influxd 2 that you have, or run all in Docker: docker compose up --build" >&2
	exit 1
fi

version=$(go list -m -f '{{.Version}}' github.com/influxdata/influxdb/v2)
echo "Building InfluxDB $version from source. This happens once, takes about 4 minutes on two cores"
echo "(longer on a slow network) and is kept as $file."

echo '[1/3] fetching the sources of InfluxDB and Flux: the Go module proxy must be reachable'
go mod download github.com/influxdata/influxdb/v2 github.com/influxdata/flux
libflux=$(go list -m -f '{{.Dir}}' github.com/influxdata/flux)/libflux

echo '[2/3] compiling libflux: Rust 1.72 or newer is needed, and the crates registry must be reachable'
# The sources pin an old toolchain: an installed one is taken instead. Without rustup there is only one.
if [ -z "${RUSTUP_TOOLCHAIN:-}" ] && command -v rustup >/dev/null; then
	set -- $(rustup show active-toolchain 2>/dev/null || rustup toolchain list)
	export RUSTUP_TOOLCHAIN="$1"
fi
# The sources deny warnings, and a newer compiler has new ones. With --target this flag would not reach
# the build script.
export RUSTFLAGS=--cap-lints=warn CARGO_TARGET_DIR="$work/target"
# No other form of the library is made, or the linker would prefer a shared one.
(cd "$libflux" && cargo rustc --package=flux --lib --crate-type=staticlib --release --locked)

echo '[3/3] compiling influxd: a C compiler is needed, and the Go module proxy must be reachable'
# cgo asks pkg-config about libflux. `true` answers with nothing, and these say it instead.
export PKG_CONFIG=true
export CGO_CFLAGS="-O2 -g '-I$libflux/include'"
export CGO_LDFLAGS="-O2 -g '-L$work/target/release' -lflux -ldl -lpthread -lm"
tags=sqlite_foreign_keys,sqlite_json
case $(go env GOARCH) in
amd64 | s390x) ;;
*) tags=$tags,noasm ;; # Flux panics elsewhere without
esac
go build -trimpath -tags="$tags" -ldflags="-s -w -X main.version=$version" -o "$file.new" \
	github.com/influxdata/influxdb/v2/cmd/influxd
"$file.new" version >/dev/null # only a binary that runs gets the name that others look for
mv "$file.new" "$file"
rm -r "$work" # half a gigabyte
echo "Built $file."
