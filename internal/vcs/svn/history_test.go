package svn

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/vcs/vcstest"
)

// world is a repository that tests write with svn itself, and the mirror that reads it.
type world struct {
	t        testing.TB
	dir      string // the repository, as a path
	work     string // a working copy of all of it
	config   string
	mirror   string
	address  string // that is read; empty: the path
	branches []string
	commands []string // that the driver ran
	pace     string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{
		t: t, dir: filepath.Join(dir, "rép o"), work: filepath.Join(dir, "work"), config: filepath.Join(dir, "config"),
		mirror: filepath.Join(dir, "state", "mirrors", "www.svn"), branches: []string{"production", "other", "trunk"},
		// Nothing here is edited twice to the same length within a moment.
		pace: "SVN_I_LOVE_CORRUPTED_WORKING_COPIES_SO_DISABLE_SLEEP_FOR_TIMESTAMPS=yes",
	}
	w.must("svnadmin", "create", w.dir)
	w.svn("checkout", "-q", w.url(""), w.work)
	return w
}

func (w *world) url(name string) string {
	return (&url.URL{Scheme: "file", Path: w.dir}).String() + strings.TrimRight("/"+name, "/")
}

func (w *world) must(program string, args ...string) string {
	w.t.Helper()
	c := exec.Command(program, args...)
	c.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC", w.pace)
	var out, complaint bytes.Buffer
	c.Stdout, c.Stderr = &out, &complaint
	if _, err := os.Stat(w.work); err == nil {
		c.Dir = w.work
	}
	if err := c.Run(); err != nil {
		w.t.Fatalf("%s %q: %v\n%s", program, args, err, complaint.String())
	}
	return strings.TrimSpace(out.String())
}

// svn runs svn in the working copy.
func (w *world) svn(args ...string) string {
	w.t.Helper()
	return w.must("svn", append([]string{"--non-interactive", "--config-dir", w.config}, args...)...)
}

func (w *world) file(name string) string { return filepath.Join(w.work, filepath.FromSlash(name)) }

func (w *world) write(name, content string) {
	w.t.Helper()
	file := w.file(name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		w.t.Fatal(err)
	}
	os.Remove(file)
	var err error
	if target, isLink := strings.CutPrefix(content, "-> "); isLink {
		err = os.Symlink(target, file)
	} else {
		err = os.WriteFile(file, []byte(content), 0o644)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

var committed = regexp.MustCompile(`Committed revision ([0-9]+)\.`)

// commit commits the working copy and gives the revision's id.
func (w *world) commit(author, message string) string {
	w.t.Helper()
	text := filepath.Join(w.t.TempDir(), "message")
	if err := os.WriteFile(text, []byte(message), 0o600); err != nil {
		w.t.Fatal(err)
	}
	out := w.svn("commit", "--username", author, "--encoding", "UTF-8", "-F", text)
	match := committed.FindStringSubmatch(out)
	if match == nil {
		w.t.Fatalf("nothing was committed: %s", out)
	}
	w.svn("update", "-q")
	return "r" + match[1]
}

func (w *world) open() (*Repository, error) {
	address := w.address
	if address == "" {
		address = w.dir
	}
	w.commands = nil
	return open(w.t.Context(), Options{Address: address, Mirror: w.mirror, Branches: w.branches}, func(program string, args []string) {
		w.commands = append(w.commands, program+" "+strings.Join(args, " "))
	})
}

func (w *world) mustOpen() *Repository {
	w.t.Helper()
	r, err := w.open()
	if err != nil {
		w.t.Fatalf("%v\nhint: %s", err, rollcall.HintOf(err))
	}
	return r
}

// history is a world as the suite writes it. The branches are folders of the root.
type history struct{ *world }

func (h history) Repository(t *testing.T) rollcall.Repository {
	t.Helper()
	return h.mustOpen()
}

func (h history) Commit(t *testing.T, c vcstest.Commit) string {
	t.Helper()
	if err := os.MkdirAll(h.file(c.Branch), 0o755); err != nil {
		t.Fatal(err)
	}
	for from, to := range c.Moves {
		h.svn("mv", "-q", at(c.Branch+"/"+from, 0), c.Branch+"/"+to)
	}
	for name, content := range c.Files {
		h.write(c.Branch+"/"+strings.TrimSuffix(name, "*"), content)
	}
	h.svn("add", "-q", "--force", "--no-auto-props", "--no-ignore", ".")
	for name, content := range c.Files {
		plain, executable := strings.CutSuffix(name, "*")
		if executable {
			h.svn("propset", "-q", "svn:executable", "*", at(c.Branch+"/"+plain, 0))
		}
		if strings.Contains(content, "$Id$") {
			h.svn("propset", "-q", "svn:keywords", "Id", at(c.Branch+"/"+plain, 0))
		}
	}
	for _, name := range c.Remove {
		h.svn("rm", "-q", at(c.Branch+"/"+name, 0))
	}
	return h.commit(c.Author, c.Message)
}

func TestPath(t *testing.T) {
	vcstest.Run(t, func(t *testing.T) vcstest.History { return history{newWorld(t)} })
}

func TestServer(t *testing.T) {
	vcstest.Run(t, func(t *testing.T) vcstest.History {
		h := history{newWorld(t)}
		h.address = serve(t, h.world, "") + "/" + url.PathEscape(filepath.Base(h.dir))
		return h
	})
}

// serve starts svnserve over the world's repository, and gives its address.
func serve(t testing.TB, w *world, settings string) string {
	t.Helper()
	if settings == "" {
		settings = "[general]\nanon-access = read\n"
	}
	if err := os.WriteFile(filepath.Join(w.dir, "conf", "svnserve.conf"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()
	c := exec.Command("svnserve", "-d", "--foreground", "--listen-host", "127.0.0.1", "--listen-port", fmt.Sprint(port), "-r", filepath.Dir(w.dir))
	c.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	host := fmt.Sprintf("127.0.0.1:%d", port)
	for late := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", host)
		if err == nil {
			conn.Close()
			return "svn://" + host
		}
		if time.Now().After(late) {
			t.Fatalf("svnserve does not listen: %v", err)
		}
	}
}
