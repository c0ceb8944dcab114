package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"

	"github.com/rollcall-dev/rollcall"
)

const (
	current   = "current"
	releases  = "releases"
	shared    = "shared"
	private   = ".rollcall"
	manifests = private + "/manifests"
	kept      = private + "/kept"
	incoming  = private + "/incoming"
	trash     = private + "/trash"
	lockFile  = private + "/lock"
	tokenFile = private + "/token"
)

// lockWait is how long one change waits for another process's. Changes are short: a
// release is received outside the lock.
const lockWait = 30 * time.Second

// folder is a node's folder. Paths within it come from checked names, and os.Root
// keeps what is laid out from leaving it over links.
type folder struct {
	dir  string
	root *os.Root // nil where the folder does not exist yet
	// target is the folder that the files go to, where that is not this one.
	target *target
}

func openFolder(dir string) (*folder, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return &folder{dir: dir}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the folder: %w", err)
	}
	return &folder{dir: dir, root: root}, nil
}

func (f *folder) close() {
	if f.root != nil {
		f.root.Close()
	}
	if f.target != nil {
		f.target.close()
	}
}

func (f *folder) path(parts ...string) string {
	return filepath.Join(append([]string{f.dir}, parts...)...)
}

// make makes the folder and what Rollcall keeps in it, unless something else lives there.
func (f *folder) make() error {
	if f.root == nil {
		mode := fs.FileMode(0o755)
		if f.target != nil {
			mode = 0o700 // whoever may read the target reads it there
		}
		if err := os.MkdirAll(f.dir, mode); err != nil {
			return fmt.Errorf("make the folder: %w", err)
		}
		root, err := os.OpenRoot(f.dir)
		if err != nil {
			return fmt.Errorf("open the folder: %w", err)
		}
		f.root = root
	}
	foreign, err := f.foreign()
	if err != nil {
		return err
	}
	if foreign != "" {
		return rollcall.Errorf(rollcall.KindRefused, "%s holds something else: %s", f.dir, foreign).
			WithHint("take it over with rollcall adopt ENVIRONMENT, or roll into a folder that is empty or does not exist yet")
	}
	return f.makeOwn()
}

// makeOwn makes what Rollcall keeps in the folder.
func (f *folder) makeOwn() error {
	for _, dir := range []string{private, manifests, kept, incoming, trash} {
		if err := f.root.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make %s: %w", f.path(dir), err)
		}
	}
	for _, dir := range []string{releases, shared} {
		if err := f.root.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make %s: %w", f.path(dir), err)
		}
	}
	return nil
}

// foreign names what stands in the folder that Rollcall did not put there.
func (f *folder) foreign() (string, error) {
	if f.root == nil {
		return "", nil
	}
	if _, err := f.root.Lstat(current); err == nil {
		if target, err := f.root.Readlink(current); err != nil {
			return "current, which is no link", nil
		} else if _, ok := releaseOf(target); !ok {
			return "current, which points to " + target, nil
		}
	}
	if words, ours := f.ours(); ours {
		return words, nil // other files beside ours are the operator's business
	}
	dir, err := f.root.Open(".")
	if err != nil {
		return "", fmt.Errorf("read the folder: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(50)
	if err != nil && len(names) > 0 {
		return "", fmt.Errorf("read the folder: %w", err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == shared || name == "lost+found" })
	slices.Sort(names)
	if words, ours := f.ours(); ours {
		return words, nil // another process has just made it so
	}
	if len(names) > 4 {
		names = append(names[:4], "…")
	}
	return strings.Join(names, ", "), nil
}

// ours tells whether the folder is Rollcall's, and of one that is about to become so
// what stands in it.
func (f *folder) ours() (foreign string, ours bool) {
	if _, err := f.root.Lstat(private); err != nil {
		return "", false
	}
	if _, err := f.root.Lstat(takingOver); err == nil {
		return "what is being taken over", true
	}
	return "", true
}

// live is the release that `current` points to, or "".
func (f *folder) live() (rollcall.ReleaseID, error) {
	if f.root == nil {
		return "", nil
	}
	target, err := f.root.Readlink(current)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EINVAL) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read current: %w", err)
	}
	id, ok := releaseOf(target)
	if !ok {
		return "", nil // somebody else's: foreign tells
	}
	return id, nil
}

func releaseOf(target string) (rollcall.ReleaseID, bool) {
	name, ok := strings.CutPrefix(target, releases+"/")
	id := rollcall.ReleaseID(name)
	return id, ok && id.Valid()
}

// lock keeps other processes from changing the folder. The kernel ends the lock of a
// process that dies.
func (f *folder) lock() (unlock func(), err error) {
	file, err := f.root.OpenFile(lockFile, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the folder: %w", err)
	}
	for deadline := time.Now().Add(lockWait); ; time.Sleep(10 * time.Millisecond) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(deadline) {
			file.Close()
			return nil, rollcall.Errorf(rollcall.KindBroken, "another process has been changing %s for %v: %w", f.dir, lockWait, err).
				WithHint("look for a hanging rollcall-node there")
		}
	}
}

// guard takes the lock and checks the token: from then on until unlock nobody with an
// older lease can change anything.
func (f *folder) guard(token rollcall.Token) (unlock func(), err error) {
	unlock, err = f.lock()
	if err != nil {
		return nil, err
	}
	if err := f.accept(token); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// fence makes the folder, where it is missing, and keeps the token in it: a controller
// with an older one can do nothing here from now on.
func (f *folder) fence(token rollcall.Token) error {
	if err := f.make(); err != nil {
		return err
	}
	unlock, err := f.guard(token)
	if err != nil {
		return err
	}
	unlock()
	return nil
}

// accept keeps the highest token, and refuses a lower one and another record's.
func (f *folder) accept(token rollcall.Token) error {
	seen, err := f.token()
	if err != nil {
		return err
	}
	if err := checkToken(seen, token); err != nil {
		return err
	}
	if seen == token {
		return nil
	}
	return f.storeToken(token)
}

func checkToken(seen, token rollcall.Token) error {
	switch {
	case seen.Record != "" && seen.Record != token.Record:
		return rollcall.Errorf(rollcall.KindRefused, "this node belongs to the record %s, and this roll comes from the record %s", seen.Record, token.Record).
			WithHint("if the other controller is gone for good: rollcall adopt ENVIRONMENT")
	case token.Sequence < seen.Sequence:
		return rollcall.Errorf(rollcall.KindConflict, "a newer controller has taken over (its lease is %d, this one's %d)", seen.Sequence, token.Sequence).
			WithHint("see rollcall status")
	}
	return nil
}

func (f *folder) token() (rollcall.Token, error) {
	var token rollcall.Token
	if f.root == nil {
		return token, nil
	}
	b, err := f.root.ReadFile(tokenFile)
	if errors.Is(err, fs.ErrNotExist) {
		return token, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &token)
	}
	if err != nil {
		return token, fmt.Errorf("read the token: %w", err)
	}
	return token, nil
}

func (f *folder) storeToken(token rollcall.Token) error {
	b, err := json.Marshal(token)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(f.path(tokenFile), b, 0o600); err != nil {
		return fmt.Errorf("write the token: %w", err)
	}
	return nil
}

// adopt makes the node follow another record from now on.
func (f *folder) adopt(token rollcall.Token) error {
	if f.root == nil {
		return nil
	}
	if _, err := f.root.Lstat(private); err != nil {
		return nil // nothing of Rollcall's is here yet
	}
	unlock, err := f.lock()
	if err != nil {
		return err
	}
	defer unlock()
	return f.storeToken(token)
}
