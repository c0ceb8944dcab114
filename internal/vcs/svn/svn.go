package svn

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rollcall-dev/rollcall"
)

// Repository is a rollcall.Repository in Subversion.
type Repository struct {
	client *client
	dir    string // the mirror folder
	note   func(string)

	url    string // of the code
	root   string // the URL of the repository's root
	prefix string // the code's folder in it: "", or /projects/www
	uuid   string
	head   int64 // the newest revision when it was opened

	mu       sync.Mutex
	branches []string // that revisions may be of, the likeliest first
}

var (
	_ rollcall.Repository = (*Repository)(nil)
	_ rollcall.BlobHolder = (*Repository)(nil)
)

// Options say what is opened.
type Options struct {
	// Address is a path, or a https, http, svn, svn+ssh or file URL, of a repository or a
	// folder in it.
	Address string
	// Mirror is the folder where what was read is kept.
	Mirror string
	// Branches are where revisions are looked for that are named without their branch.
	Branches []string
	Password string
	Note     func(string)
}

// Open opens the repository at an address: it learns its newest revision, and reads what
// is new in its log.
func Open(ctx context.Context, o Options) (*Repository, error) {
	return open(ctx, o, nil)
}

func open(ctx context.Context, o Options, ran func(program string, args []string)) (*Repository, error) {
	mirror, err := filepath.Abs(o.Mirror)
	if err != nil {
		return nil, err
	}
	if IsLocal(o.Address) && o.Address != "" {
		if o.Address, err = filepath.Abs(o.Address); err != nil {
			return nil, err
		}
	}
	a, err := parseAddress(o.Address)
	if err != nil {
		return nil, rollcall.Errorf(rollcall.KindInvalid, "svn: %w", err)
	}
	r := &Repository{
		client: &client{config: filepath.Join(mirror, "config"), user: a.user, password: o.Password, port: a.port, ran: ran},
		dir:    mirror, note: o.Note, url: a.url, branches: o.Branches,
	}
	if r.note == nil {
		r.note = func(string) {}
	}
	if err := os.MkdirAll(mirror, 0o700); err != nil {
		return nil, fmt.Errorf("make the mirror's folder: %w", err)
	}
	unlock, err := r.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	r.tidy()
	if err := r.client.prepare(); err != nil {
		return nil, err
	}
	if err := r.look(ctx); err != nil {
		return nil, err
	}
	return r, r.catchUp(ctx)
}

// look asks the server what it has at the address.
func (r *Repository) look(ctx context.Context) error {
	nodes, err := r.client.info(ctx, "", false, at(r.url, 0))
	if err != nil {
		e := rollcall.Errorf(rollcall.KindOf(err), "open the repository %s: %w", rollcall.Printable(r.url), err)
		if e.Hint = rollcall.HintOf(err); e.Hint == "" && e.Kind == rollcall.KindNotFound {
			e.Hint = "look at the code's svn: key in rollcall.yaml"
		}
		return e
	}
	if len(nodes) != 1 || nodes[0].UUID == "" || !within(nodes[0].URL, nodes[0].Root) {
		return fmt.Errorf("svn info: nothing to be made of what it says of %s", r.url)
	}
	if nodes[0].Kind != "dir" {
		return rollcall.Errorf(rollcall.KindInvalid, "%s is a file in the repository, and no folder", rollcall.Printable(r.url))
	}
	r.root, r.uuid, r.head = nodes[0].Root, nodes[0].UUID, int64(nodes[0].Revision)
	r.prefix, err = unescape(strings.TrimPrefix(nodes[0].URL, nodes[0].Root))
	return err
}

// folder is a branch's place, from the repository's root.
func (r *Repository) folder(branch string) string {
	return r.prefix + "/" + branch
}

// remember puts a branch first among those that revisions may be of.
func (r *Repository) remember(branch string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	branches := []string{branch}
	for _, other := range r.branches {
		if other != branch {
			branches = append(branches, other)
		}
	}
	r.branches = branches
}

func (r *Repository) known() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.branches
}

// within tells whether a path, or a URL, is a folder or stands in it.
func within(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, strings.TrimRight(folder, "/")+"/")
}

func discardOutput(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}
