package demo

// BuildCommand is the build step of the story's site, as rollcall.yaml names it. It needs
// what every Linux has.
const BuildCommand = "sh " + buildScript

const buildScript = "bin/build"

// The stamp is of all that makes a page, so that no two releases which look different have
// the same.
const buildText = `#!/bin/sh
# Names each asset after its content, and stamps the pages.
set -e
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sha256sum assets/* img/* | while read -r sum file; do
	named=${file%.*}.$(printf %.8s "$sum").${file##*.}
	mv "$file" "$named"
	echo "s|{{cdn}}/$file|{{cdn}}/$named|g"
done > "$work/edits"
cat "$work/edits" pages/* templates/*.html config/* data/* lib/* | sha256sum | cut -c 1-8 > RELEASE
echo "s|{{stamp}}|$(cat RELEASE)|g" >> "$work/edits"
for file in pages/*.html templates/*.html; do
	sed -f "$work/edits" "$file" > "$work/file"
	cat "$work/file" > "$file"
done
`
