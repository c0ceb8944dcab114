package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/roll"
)

// movedFile tells where a state folder has gone.
const movedFile = "moved"

// BackupRecord writes a copy of the record.
func (a *App) BackupRecord(ctx context.Context, file string) error {
	return a.record.Backup(ctx, file)
}

// MoveRecord moves the state. The record is copied first and the old one made unusable
// by a rename, so that there is one at any moment; what can be made again follows where
// a rename can bring it.
func (a *App) MoveRecord(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	environments, err := a.environments("")
	if err != nil {
		return err
	}
	for _, env := range environments {
		state, err := roll.ReadState(ctx, a.record, env.Name)
		if err != nil {
			return err
		}
		if roll.Alive(ctx, a.record, env.Name, state.Lease) {
			return rollcall.Errorf(rollcall.KindConflict, "%s is being rolled by %s", env.Name, state.Lease.By).WithHint("move the record when that is over")
		}
	}
	if err := makeState(dir); err != nil {
		return err
	}
	target := filepath.Join(dir, recordFile)
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		return rollcall.Errorf(rollcall.KindInvalid, "%s is there already", target).WithHint("move it into a folder that has no record")
	}
	if err := a.record.Backup(ctx, target); err != nil {
		return err
	}
	text := fmt.Sprintf("%s\n%s by %s\n", dir, time.Now().UTC().Format(time.RFC3339), a.by)
	if err := renameio.WriteFile(filepath.Join(a.state, movedFile), []byte(text), 0o600); err != nil {
		return fmt.Errorf("leave a sign in %s: %w", a.state, err)
	}
	for _, name := range []string{"releases", "mirrors", "checks", "desks", "rollcall-node.json"} {
		// What stays behind is made again when it is needed, or, of a desk, decided again.
		_ = os.Rename(filepath.Join(a.state, name), filepath.Join(dir, name))
	}
	return nil
}

// checkMoved refuses a state folder whose record has gone elsewhere.
func checkMoved(state string) error {
	b, err := os.ReadFile(filepath.Join(state, movedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return stateError(state, err)
	}
	to, when, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	return rollcall.Errorf(rollcall.KindRefused, "the record of %s was moved to %s (%s)", state, rollcall.Printable(to), rollcall.Printable(when)).
		WithHint("name it with --state %s", rollcall.Printable(to))
}
