package view

import (
	"strings"
	"unicode/utf8"
)

// style colours text where that is wanted.
type style struct{ on bool }

func (s style) wrap(code, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) red(text string) string    { return s.wrap("31", text) }
func (s style) green(text string) string  { return s.wrap("32", text) }
func (s style) yellow(text string) string { return s.wrap("33", text) }
func (s style) bold(text string) string   { return s.wrap("1", text) }
func (s style) dim(text string) string    { return s.wrap("2", text) }

// cut shortens text to a number of columns, colour codes not counted. 0: no limit.
func cut(text string, columns int) string {
	if columns <= 0 || width(text) <= columns {
		return text
	}
	var b strings.Builder
	used, coloured := 0, false
	for i := 0; i < len(text); {
		if text[i] == 0x1b {
			end := strings.IndexByte(text[i:], 'm')
			if end < 0 {
				break
			}
			b.WriteString(text[i : i+end+1])
			coloured = true
			i += end + 1
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if used+runeWidth(r) > columns-1 {
			break
		}
		b.WriteRune(r)
		used += runeWidth(r)
		i += size
	}
	b.WriteString("…")
	if coloured {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}

// width is the columns that text takes, colour codes not counted.
func width(text string) int {
	n := 0
	for i := 0; i < len(text); {
		if text[i] == 0x1b {
			if end := strings.IndexByte(text[i:], 'm'); end >= 0 {
				i += end + 1
				continue
			}
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		n += runeWidth(r)
		i += size
	}
	return n
}

// runeWidth is 2 for the scripts that terminals draw wide.
func runeWidth(r rune) int {
	switch {
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3,
		r >= 0xf900 && r <= 0xfaff, r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60,
		r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	case r >= 0x0300 && r <= 0x036f, r == 0x200b, r == 0x200d, r >= 0xfe00 && r <= 0xfe0f:
		return 0
	}
	return 1
}

func pad(text string, columns int) string {
	if n := columns - width(text); n > 0 {
		return text + strings.Repeat(" ", n)
	}
	return text
}
