package site

import (
	"fmt"
	"regexp"
	"strings"
)

// word is one word of a text, without its quotes.
type word struct {
	text       string
	begin, end int // in bytes of the text that it was cut from
	quoted     bool
}

// cutError tells at which byte a text cannot be cut into words.
type cutError struct {
	offset  int
	message string
}

func (e *cutError) Error() string { return e.message }

// cut cuts a text into words by quoting alone, as POSIX sh does in its section 2.2:
// nothing is expanded. With comments, a # or ; at the beginning of a word ends the text.
func cut(text string, comments bool) ([]word, error) {
	var words []word
	for i := 0; ; {
		i += blanks(text[i:])
		if i == len(text) || comments && (text[i] == '#' || text[i] == ';') {
			return words, nil
		}
		w, err := cutWord(text, i)
		if err != nil {
			return nil, err
		}
		words = append(words, w)
		i = w.end
	}
}

const blank = " \t\r\n"

// blanks counts the bytes between words. A line end behind a backslash is one of them.
func blanks(text string) int {
	i := 0
	for i < len(text) {
		switch {
		case strings.IndexByte(blank, text[i]) >= 0:
			i++
		case strings.HasPrefix(text[i:], "\\\n"):
			i += 2
		default:
			return i
		}
	}
	return i
}

func cutWord(text string, begin int) (word, error) {
	w := word{begin: begin}
	var b strings.Builder
	i := begin
	for ; i < len(text) && strings.IndexByte(blank, text[i]) < 0; i++ {
		switch c := text[i]; c {
		case '\'':
			length := strings.IndexByte(text[i+1:], '\'')
			if length < 0 {
				return w, &cutError{i, "a ' is not closed"}
			}
			b.WriteString(text[i+1 : i+1+length])
			i += length + 1
			w.quoted = true
		case '"':
			length := cutDouble(&b, text[i+1:])
			if length < 0 {
				return w, &cutError{i, `a " is not closed`}
			}
			i += length + 1
			w.quoted = true
		case '\\':
			if i++; i == len(text) {
				return w, &cutError{i - 1, `a \ stands before nothing`}
			}
			if text[i] != '\n' {
				b.WriteByte(text[i])
			}
			w.quoted = true
		default:
			b.WriteByte(c)
		}
	}
	w.text, w.end = b.String(), i
	return w, nil
}

// cutDouble writes what stands before the closing quote and returns its length as it
// was written, or -1.
func cutDouble(b *strings.Builder, text string) int {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return i
		case c == '\\' && i+1 < len(text) && strings.IndexByte("\\\"$`\n", text[i+1]) >= 0:
			if i++; text[i] != '\n' {
				b.WriteByte(text[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return -1
}

// operator is a word that a shell would not take for a word.
var operator = regexp.MustCompile(`^(\|\|?|\|&|&&?|;;?|[()]|[0-9]*(<<?-?|<<<|<>|>>?|>\||<&|>&)[0-9]*-?|&>>?)$`)

// SplitWords cuts a command into words by its quotes and backslashes alone. No shell
// will see it, so what only a shell understands is refused where it is certain to be
// meant for one.
func SplitWords(text string) ([]string, error) {
	if strings.IndexByte(text, 0) >= 0 {
		return nil, fmt.Errorf("it holds a zero byte")
	}
	cuts, err := cut(text, false)
	if err != nil {
		return nil, err
	}
	words := make([]string, len(cuts))
	for i, w := range cuts {
		if !w.quoted && operator.MatchString(w.text) {
			return nil, fmt.Errorf("%q is for a shell, and a shell runs only where `sh: |` asks for one; put it in quotes if it is a word", w.text)
		}
		if i > 0 && strings.Contains(strings.ReplaceAll(text[cuts[i-1].end:w.begin], "\\\n", ""), "\n") {
			return nil, fmt.Errorf("it has several lines; make it a list of commands, or ask for a shell with `sh: |`")
		}
		words[i] = w.text
	}
	return words, nil
}
