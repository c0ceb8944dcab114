package git

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-dev/rollcall"
)

// touches is whose lines changesets change, as far as it was found out, for two branches
// that have certain commits in common. All of it can be found out again.
type touches struct {
	file   string
	common []string // the newest commits that both have
	all    map[string][]rollcall.Touch
}

// keptTouch is a rollcall.Touch as it is kept.
type keptTouch struct {
	ID    string `json:"id"`
	Path  string `json:"path"`
	Lines int    `json:"lines"`
}

const (
	// touchesVersion is part of a file's name: another way to find out begins anew.
	touchesVersion = "3"
	// touchesAge is when a file goes that nobody adds to: the branches have met since.
	touchesAge = 60 * 24 * time.Hour
)

func (r *Repository) openTouches(ctx context.Context, source, target string) (*touches, error) {
	from, err := r.Tip(ctx, source)
	if err != nil {
		return nil, err
	}
	// All that both have are these and what is behind them. There may be none.
	bases, _ := r.git(ctx, "merge-base", "--all", from.ID, target)
	common := strings.Fields(string(bases))
	slices.Sort(common)
	sum := sha256.Sum256([]byte(strings.Join(common, " ")))
	t := &touches{
		file:   filepath.Join(r.dir, "rollcall", "touched-"+touchesVersion+"-"+hex.EncodeToString(sum[:8])),
		common: common, all: map[string][]rollcall.Touch{},
	}
	t.read()
	return t, nil
}

// read reads what is kept, which is only there to be quicker.
func (t *touches) read() {
	b, err := os.ReadFile(t.file)
	if err != nil {
		return
	}
	for line := range strings.Lines(string(b)) {
		id, text, _ := strings.Cut(line, " ")
		var kept []keptTouch
		if json.Unmarshal([]byte(text), &kept) != nil || !fullHash.MatchString(id) {
			continue
		}
		touched := make([]rollcall.Touch, len(kept))
		for i, k := range kept {
			touched[i] = rollcall.Touch(k)
		}
		t.all[id] = touched
	}
}

func (t *touches) of(ids []string) map[string]rollcall.Touched {
	found := make(map[string]rollcall.Touched, len(ids))
	for _, id := range ids {
		found[id] = rollcall.Touched{Touches: t.all[id]}
	}
	return found
}

// add keeps what was found out: a line a changeset, at the end.
func (t *touches) add(fresh map[string][]rollcall.Touch) error {
	if len(fresh) == 0 {
		return nil
	}
	var lines strings.Builder
	lines.WriteByte('\n') // the last line may have been broken off
	for id, touched := range fresh {
		t.all[id] = touched
		kept := make([]keptTouch, len(touched))
		for i, one := range touched {
			kept[i] = keptTouch(one)
		}
		text, err := json.Marshal(kept)
		if err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%s %s\n", id, text)
	}
	dir := filepath.Dir(t.file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep whose lines are changed: %w", err)
	}
	t.tidy(dir)
	f, err := os.OpenFile(t.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep whose lines are changed: %w", err)
	}
	_, err = f.WriteString(lines.String())
	return errors.Join(err, f.Close())
}

// tidy takes the files away that nobody adds to any more.
func (t *touches) tidy(dir string) {
	all, _ := os.ReadDir(dir) // then they stay
	for _, one := range all {
		if info, err := one.Info(); err == nil && strings.HasPrefix(one.Name(), "touched-") && time.Since(info.ModTime()) > touchesAge {
			os.Remove(filepath.Join(dir, one.Name()))
		}
	}
}
