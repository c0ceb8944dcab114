package check

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/zeebo/blake3"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/proc"
)

// tool finds what a check runs, and names it so that any other has another name: by the
// content of the program, of the interpreter that its first line asks for, and of every
// argument that is a file here (a script, a configuration), and by what its version
// command says.
func (c *Checker) tool(ctx context.Context, check *rollcall.Check) (program string, name []string, err error) {
	program, name, err = c.command(ctx, check, check.Run)
	if err != nil || check.Version == nil {
		return program, name, err
	}
	_, version, err := c.command(ctx, check, *check.Version)
	if err != nil {
		return "", nil, err
	}
	said, err := c.version(ctx, check, append(append([]string{}, name...), version...))
	return program, append(name, said), err
}

// command names what a command runs.
func (c *Checker) command(ctx context.Context, check *rollcall.Check, command rollcall.Command) (program string, name []string, err error) {
	words := command.Args
	if command.Shell != "" {
		words = []string{"/bin/sh"}
	}
	if strings.Contains(words[0], "{") {
		return "", nil, nil // it stands in the tree, and the tree's name names it
	}
	program, err = c.find(words[0])
	if err != nil {
		return "", nil, rollcall.Errorf(rollcall.KindInvalid, "check %q: cannot run %s: %w", check.Name, words[0], reason(err)).
			WithHint("install what has %s here, or put it on the PATH of the user that runs rollcall", filepath.Base(words[0]))
	}
	name, err = c.program(ctx, program)
	for _, word := range words[1:] {
		for _, text := range []string{word, afterEqual(word)} {
			if err != nil || text == "" || strings.ContainsAny(text, "{}") {
				continue
			}
			file, info := c.file(text)
			if info == nil {
				continue
			}
			var one fingerprint
			one, err = c.fingerprint(ctx, file, info)
			name = append(name, text+" "+one.hash)
		}
	}
	if err != nil {
		return "", nil, fmt.Errorf("check %q: read its tool: %w", check.Name, err)
	}
	return program, name, nil
}

// reason leaves out what stands in the message already.
func reason(err error) error {
	var e *exec.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

func afterEqual(word string) string {
	_, text, _ := strings.Cut(word, "=")
	return text
}

// find gives the path of a program: on the PATH, or where its own path leads from the
// site's folder.
func (c *Checker) find(program string) (string, error) {
	if strings.Contains(program, "/") && !filepath.IsAbs(program) {
		program = filepath.Join(c.site, program)
	}
	return exec.LookPath(program)
}

// file gives a regular file that a word of a command names.
func (c *Checker) file(word string) (string, fs.FileInfo) {
	if !filepath.IsAbs(word) {
		word = filepath.Join(c.site, word)
	}
	real, err := filepath.EvalSymlinks(word)
	if err != nil {
		return "", nil // no file: some other word
	}
	info, err := os.Stat(real)
	if err != nil || !info.Mode().IsRegular() {
		return "", nil
	}
	return real, info
}

// program names a program, and what runs it where it is a script.
func (c *Checker) program(ctx context.Context, path string) (name []string, err error) {
	for range 4 { // the kernel has such a limit too
		real, info := c.file(path)
		if info == nil {
			return name, nil
		}
		one, err := c.fingerprint(ctx, real, info)
		if err != nil {
			return nil, err
		}
		name = append(name, real+" "+one.hash)
		if one.interpreter == "" {
			return name, nil
		}
		if path, err = c.find(one.interpreter); err != nil {
			return name, nil //nolint:nilerr // its start will tell
		}
	}
	return name, nil
}

// fingerprint is what is known of a file of the controller.
type fingerprint struct{ hash, interpreter string }

// settled is how old the last change of a file must be for its content to be believed by
// its times: a clock tick can hold two changes.
const settled = 2 * time.Second

// fingerprint reads a file, or knows it by its inode, size and times.
func (c *Checker) fingerprint(ctx context.Context, path string, info fs.FileInfo) (fingerprint, error) {
	stat, changed := identity(info)
	var f fingerprint
	var hash []byte
	var kept string
	err := c.db.QueryRowContext(ctx, `SELECT stat, hash, interpreter FROM files WHERE path = ?`, path).Scan(&kept, &hash, &f.interpreter)
	if err == nil && kept == stat {
		f.hash = hex.EncodeToString(hash)
		return f, nil
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return f, err
	}
	if hash, f.interpreter, err = read(path); err != nil {
		return f, err
	}
	f.hash = hex.EncodeToString(hash)
	if time.Since(changed) < settled {
		return f, nil
	}
	_, err = c.db.ExecContext(ctx, `INSERT OR REPLACE INTO files (path, stat, hash, interpreter) VALUES (?, ?, ?, ?)`, path, stat, hash, f.interpreter)
	return f, err
}

func identity(info fs.FileInfo) (text string, changed time.Time) {
	text = fmt.Sprintf("%d %d", info.Size(), info.ModTime().UnixNano())
	changed = info.ModTime()
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		at := changeTime(s)
		text += fmt.Sprintf(" %d %d %d", s.Dev, s.Ino, at.UnixNano())
		changed = at
	}
	return text, changed
}

// read gives a file's hash, and the interpreter that its first line asks for.
func read(path string) (hash []byte, interpreter string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, 64<<10)
	head, _ := in.Peek(256) // a short file is one too
	h := blake3.New()
	_, err = io.Copy(h, in)
	return h.Sum(nil), interpreterOf(string(head)), err
}

// interpreterOf reads a first line of #!: the program, or what env is to find.
func interpreterOf(head string) string {
	line, _, _ := strings.Cut(head, "\n")
	rest, ok := strings.CutPrefix(line, "#!")
	words := strings.Fields(rest)
	if !ok || len(words) == 0 {
		return ""
	}
	if filepath.Base(words[0]) == "env" {
		for _, word := range words[1:] {
			if !strings.HasPrefix(word, "-") && !strings.Contains(word, "=") {
				return word
			}
		}
	}
	return words[0]
}

// version gives what a check's version command says. It is asked once for each tool.
func (c *Checker) version(ctx context.Context, check *rollcall.Check, name []string) (string, error) {
	key, err := digest([]any{check.Version.Args, check.Version.Shell, name})
	if err != nil {
		return "", err
	}
	var said string
	err = c.db.QueryRowContext(ctx, `SELECT said FROM versions WHERE key = ?`, key).Scan(&said)
	if !errors.Is(err, sql.ErrNoRows) {
		return said, err
	}
	out, err := proc.Run(ctx, c.site, *check.Version, nil)
	if err == nil && out.Exit != 0 {
		err = fmt.Errorf("it ended with %d", out.Exit)
	}
	if err != nil {
		return "", rollcall.Errorf(rollcall.KindInvalid, "check %q: ask for its version: %s: %w", check.Name, check.Version, err).
			WithHint("look at its version: in rollcall.yaml; it said: %s", rollcall.Printable(out.Text))
	}
	_, err = c.db.ExecContext(ctx, `INSERT OR REPLACE INTO versions (key, said) VALUES (?, ?)`, key, out.Text)
	return out.Text, err
}
