package rollcall

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable makes text from commits, nodes and commands safe for terminals, logs
// and chats: control characters, bidirectional overrides and invalid UTF-8 become
// the replacement character; white space becomes a blank.
func Printable(text string) string {
	clean := true
	for _, r := range text {
		if unsafeRune(r) {
			clean = false
			break
		}
	}
	if clean {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			b.WriteByte(' ')
		case unsafeRune(r):
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// PrintableLines is Printable for text of several lines: its line ends stay.
func PrintableLines(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\r\n"), "\n")
	for i, line := range lines {
		lines[i] = Printable(strings.TrimRight(line, "\r"))
	}
	return strings.Join(lines, "\n")
}

// Plural is a number with its noun, and with the verb where one follows.
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// NamesOf says what there is, in a whole sentence: the codes are dns and www.
func NamesOf(one, many string, names []string) string {
	switch last := len(names) - 1; last {
	case -1:
		return "there is no " + one
	case 0:
		return "the only " + one + " is " + names[0]
	default:
		return "the " + many + " are " + strings.Join(names[:last], ", ") + " and " + names[last]
	}
}

func unsafeRune(r rune) bool {
	switch {
	case r == utf8.RuneError, unicode.IsControl(r):
		return true
	case r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069, // bidi embeddings, overrides, isolates
		r == 0x200E, r == 0x200F, r == 0x061C, // directional marks
		r == 0x2028, r == 0x2029, r == 0xFEFF, // line separators, byte order mark
		r >= 0xE0000 && r <= 0xE007F: // tags
		return true
	}
	return false
}
