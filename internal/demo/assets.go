package demo

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"image"
	"image/color"
	"image/png"
)

func (w *website) stylesheet() []byte {
	ground := []string{"#f4f6f8", "#fbf1e3"}[w.look]
	accent := []string{"#2d5a88", "#a4501c"}[w.look]
	padding := []string{"0.3em 0.8em", "0.7em 1.4em"}[w.buttons]
	return fmt.Appendf(nil, `body { background: %s; font: 16px/1.5 sans-serif; margin: 2em auto; max-width: 44em }
h1, nav a { color: %s }
nav a { margin-right: 1em }
figure { display: inline-block; margin: 0.5em }
button { padding: %s }
img { vertical-align: middle }
main { min-height: 20em }
footer { border-top: 1px solid %[2]s; margin-top: 3em; color: #666 }
`, ground, accent, padding)
}

func (w *website) appScript() []byte {
	return fmt.Appendf(nil, "window.shop = { currency: %q };\n", w.currency)
}

func (w *website) cartScript() []byte {
	return fmt.Appendf(nil, `"use strict";
%s
document.getElementById("cart").textContent = store.count || "0";
`, []string{
		`const store = {};`,
		`const store = window.localStorage;`,
		`const store = window.localStorage; window.addEventListener("storage", show);`,
	}[w.cart])
}

// picture draws each picture once, since most of them stay as they are.
func (w *website) picture(name string, revision, size int) []byte {
	key := fmt.Sprintf("%s %d", name, revision)
	if w.pictures[key] == nil {
		w.pictures[key] = draw(key, size)
	}
	return w.pictures[key]
}

// draw makes a small picture that is the same on every machine: it is stored without
// compression, whose output differs from one release of Go to the next.
func draw(name string, size int) []byte {
	seed := sha256.Sum256([]byte(name))
	palette := color.Palette{}
	for i := range 10 {
		palette = append(palette, color.RGBA{seed[3*i], seed[3*i+1], seed[3*i+2], 0xff})
	}
	drawn := image.NewPaletted(image.Rect(0, 0, size, size), palette)
	for y := range size {
		for x := range size {
			drawn.SetColorIndex(x, y, seed[(x/4+y/4*7)%len(seed)]%uint8(len(palette)))
		}
	}
	var encoded bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.NoCompression}
	if err := encoder.Encode(&encoded, drawn); err != nil {
		panic(fmt.Sprintf("a picture can't be encoded into memory: %v", err)) // a bug
	}
	return encoded.Bytes()
}
