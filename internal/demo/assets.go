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
	ground := []string{"#f4f6f8", "#fbf1e3", "#fff8ec"}[w.look]
	accent := []string{"#2d5a88", "#a4501c", "#8c3d10"}[w.look]
	padding := []string{"0.3em 0.8em", "0.3em 0.8em", "0.7em 1.4em"}[w.look]
	return fmt.Appendf(nil, `body { background: %s; font: 16px/1.5 sans-serif; margin: 2em auto; max-width: 44em }
h1, nav a { color: %s }
button { padding: %s }
figure { display: inline-block; margin: 0.5em }
footer { border-top: 1px solid %[2]s; margin-top: 3em; color: #666 }
`, ground, accent, padding)
}

func (w *website) appScript() []byte {
	return fmt.Appendf(nil, "window.shop = { script: %d, currency: %q };\n", w.script, w.currency)
}

func (w *website) cartScript() []byte {
	store := "{}"
	if w.script >= 2 {
		store = "window.localStorage"
	}
	return fmt.Appendf(nil, `const store = %s; // %d
document.getElementById("cart").textContent = store.count || "0";
`, store, w.script)
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
