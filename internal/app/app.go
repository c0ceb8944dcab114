// Package app is Rollcall in one process: the only place where drivers are wired to the
// capabilities. It meets rollcall.Control.
package app

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/check"
	"github.com/rollcall-dev/rollcall/internal/fleet"
	"github.com/rollcall-dev/rollcall/internal/fleet/ssh"
	"github.com/rollcall-dev/rollcall/internal/record/sqlite"
	"github.com/rollcall-dev/rollcall/internal/release"
	"github.com/rollcall-dev/rollcall/internal/roll"
	"github.com/rollcall-dev/rollcall/internal/site"
)

// Options say where things are.
type Options struct {
	Site  string // the folder with rollcall.yaml
	State string // empty: .rollcall in it
}

// App is Rollcall in one process.
type App struct {
	site   *rollcall.Site
	state  string
	by     string
	record *sqlite.Record
	nodes  nodeBinaries

	mu       sync.Mutex
	releases *release.Store
	checks   *check.Checker
}

var _ rollcall.Control = (*App)(nil)

// Open reads the site and opens its state.
func Open(ctx context.Context, o Options) (*App, error) {
	s, err := site.Load(o.Site)
	if err != nil {
		return nil, err
	}
	state := o.State
	if state == "" {
		state = filepath.Join(s.Dir, ".rollcall")
	}
	if state, err = filepath.Abs(state); err != nil {
		return nil, stateError(state, err)
	}
	if err := makeState(state); err != nil {
		return nil, err
	}
	if err := checkMoved(state); err != nil {
		return nil, err
	}
	record, err := sqlite.Open(ctx, filepath.Join(state, recordFile))
	if err != nil {
		return nil, stateError(state, err)
	}
	return &App{site: s, state: state, by: roll.Person(), record: record, nodes: nodeBinaries{names: filepath.Join(state, "rollcall-node.json")}}, nil
}

const recordFile = "record.db"

// makeState makes the state folder, which version control is to leave alone.
func makeState(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return stateError(dir, err)
	}
	ignore := filepath.Join(dir, ".gitignore")
	if _, err := os.Stat(ignore); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(ignore, []byte("*\n"), 0o600); err != nil {
			return stateError(dir, err)
		}
	}
	return nil
}

func stateError(dir string, err error) error {
	var known *rollcall.Error
	if errors.As(err, &known) {
		return err
	}
	e := rollcall.Errorf(rollcall.KindInternal, "open the state folder %s: %w", dir, err)
	if errors.Is(err, os.ErrPermission) {
		e.Hint = "it belongs to somebody else; name your own with --state DIR"
	}
	return e
}

// Site is what rollcall.yaml and the nodes files say.
func (a *App) Site() *rollcall.Site { return a.site }

// Close closes what was opened.
func (a *App) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var err error
	if a.releases != nil {
		err = a.releases.Close()
	}
	if a.checks != nil {
		err = errors.Join(err, a.checks.Close())
	}
	return errors.Join(err, a.record.Close())
}

func (a *App) environment(name string) (*rollcall.Environment, error) {
	if env := a.site.Environments[name]; env != nil {
		return env, nil
	}
	names := slices.Sorted(maps.Keys(a.site.Environments))
	e := rollcall.Errorf(rollcall.KindNotFound, "there is no environment %q", rollcall.Printable(name))
	if near := site.Nearest(name, names); near != "" {
		return nil, e.WithHint("did you mean %s?", near)
	}
	return nil, e.WithHint("%s", rollcall.NamesOf("environment", "environments", names))
}

// environments gives the one that is named, or all in the order of their names.
func (a *App) environments(name string) ([]*rollcall.Environment, error) {
	if name != "" {
		env, err := a.environment(name)
		return []*rollcall.Environment{env}, err
	}
	var all []*rollcall.Environment
	for _, name := range slices.Sorted(maps.Keys(a.site.Environments)) {
		all = append(all, a.site.Environments[name])
	}
	return all, nil
}

// store opens the releases when they are first needed.
func (a *App) store(ctx context.Context) (*release.Store, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.releases == nil {
		s, err := release.Open(ctx, filepath.Join(a.state, "releases"), release.DefaultLimit)
		if err != nil {
			return nil, stateError(a.state, err)
		}
		a.releases = s
	}
	return a.releases, nil
}

// nodeFleet is the way to an environment's nodes, and to hosts beside them.
type nodeFleet struct {
	*fleet.Fleet
	transport *ssh.Transport
}

// fleet makes the way to an environment's nodes.
func (a *App) fleet(env *rollcall.Environment) nodeFleet {
	settings := env.SSH
	if settings == nil {
		settings = a.site.SSH
	}
	transport := ssh.New(ssh.Config{SSH: settings, Name: a.nodes.Name, Content: a.nodes.Content})
	return nodeFleet{fleet.New(transport), transport}
}
