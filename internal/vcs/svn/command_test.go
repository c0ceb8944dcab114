package svn

import (
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
)

func TestCheckAddress(t *testing.T) {
	for good, want := range map[string]address{
		"/srv/svn/www":                           {url: "file:///srv/svn/www"},
		"/srv/a b/ü%#?@1":                        {url: "file:///srv/a%20b/%C3%BC%25%23%3F@1"},
		"file:///srv/svn/www/":                   {url: "file:///srv/svn/www"},
		"file:///srv/a%20b":                      {url: "file:///srv/a%20b"},
		"file://localhost/srv/www":               {url: "file:///srv/www"},
		"https://svn.example.com/www":            {url: "https://svn.example.com/www"},
		"https://svn.example.com:8443/a b/%23":   {url: "https://svn.example.com:8443/a%20b/%23"},
		"https://ada@svn.example.com/www":        {url: "https://svn.example.com/www", user: "ada"},
		"http://[::1]:80/www":                    {url: "http://[::1]:80/www"},
		"svn://svn.example.com":                  {url: "svn://svn.example.com"},
		"svn://ada@svn.example.com/www//x":       {url: "svn://svn.example.com/www/x", user: "ada"},
		"svn+ssh://svn.example.com/srv/www":      {url: "svn+ssh://svn.example.com/srv/www"},
		"svn+ssh://ada@svn.example.com:22/www":   {url: "svn+ssh://ada@svn.example.com/www", port: "22"},
		"https://ada@example.com@example.com/x":  {url: "https://example.com/x", user: "ada@example.com"},
		"svn+ssh://ada@svn.example.com/www@1/-x": {url: "svn+ssh://ada@svn.example.com/www@1/-x"},
	} {
		if got, err := parseAddress(good); err != nil || got != want {
			t.Errorf("%s is %+v, %v", good, got, err)
		}
	}
	for _, good := range []string{"../svn/www", "svn/www", "./a:b"} {
		if err := CheckAddress(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "-u", "--config-option=x", "svn+ssh://-oProxyCommand=x/y", "svn+ssh://a@-oProxyCommand=x/y", "svn+ssh://-x@host/y", "svn+ssh://host;x/y",
		"https://ada:s3cret@example.com/y", "svn+ssh://ada:@h/y", "ftp://example.com/x", "ssh://example.com/x", "git://example.com/x", "svn+foo://h/x", "file://host/x",
		"a\nb", "https://h/a%0ab", "https://h/a%1b", "svn+ssh://a b/c", "https://h/x?y", "https://h/x#y", "host:path", "https:/x/y", "https://", "svn:///x",
		"~/svn", "^/trunk", "https://h/\u202e", "https://h:x/y", "file:///a%00b",
	} {
		if err := CheckAddress(bad); err == nil {
			t.Errorf("%q is let through", bad)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestOnlyTheAllowListReachesSVN(t *testing.T) {
	for _, name := range []string{"SVN_EDITOR", "SVN_MERGE", "SVN_SSH", "LC_CTYPE", "LC_ALL", "GIT_SSH", "EDITOR"} {
		t.Setenv(name, "nonsense")
	}
	env := strings.Join((&client{port: "2222"}).environment(), "\n")
	if strings.Contains(env, "nonsense") || !strings.Contains(env, "LC_ALL=C.UTF-8") || !strings.Contains(env, "SVN_SSH=ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 -p 2222") {
		t.Error(env)
	}
}

// A password of the person's own, or of an address with a user, is never kept.
func TestCredentialsAreNeverKept(t *testing.T) {
	w := newWorld(t)
	w.write("trunk/a", "1")
	w.svn("add", "-q", "trunk")
	w.commit("Ada", "one")
	os.WriteFile(filepath.Join(w.dir, "conf", "passwd"), []byte("[users]\nada = s3cret\n"), 0o600)
	server := serve(t, w, "[general]\nanon-access = none\nauth-access = read\npassword-db = passwd\n")
	w.address = strings.Replace(server, "svn://", "svn://ada@", 1) + "/" + url.PathEscape(filepath.Base(w.dir))
	if _, err := w.open(); err == nil || !strings.Contains(rollcall.HintOf(err), "password") {
		t.Errorf("without a password: %v, %s", err, rollcall.HintOf(err))
	}
	_, err := open(t.Context(), Options{Address: w.address, Mirror: w.mirror, Password: "wrong"}, nil)
	if err == nil || !strings.Contains(rollcall.HintOf(err), "password") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("a wrong password: %v, %s", err, rollcall.HintOf(err))
	}
	var all []string
	r, err := open(t.Context(), Options{Address: w.address, Mirror: w.mirror, Password: "s3cret"}, func(_ string, args []string) { all = append(all, args...) })
	if err != nil {
		t.Fatal(err)
	}
	wantContents(t, r, tip(t, r, "trunk").Tree, map[string]string{"a": "f 1"})
	if strings.Contains(strings.Join(all, " "), "s3cret") {
		t.Error("the password is among the arguments, where every user of the machine sees it")
	}
	filepath.WalkDir(w.mirror, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if b, _ := os.ReadFile(path); strings.Contains(string(b), "s3cret") || strings.Contains(path, "/auth/") {
			t.Errorf("%s keeps it", path)
		}
		return nil
	})
}

// ssh is told everything that a roll without a person needs, and a port that svn can't give.
func TestTunnel(t *testing.T) {
	w := newWorld(t)
	w.write("trunk/a", "1")
	w.svn("add", "-q", "trunk")
	w.commit("Ada", "one")
	bin := t.TempDir()
	told := filepath.Join(bin, "told")
	script := "#!/bin/sh\nprintf '%s\\n' \"$*\" >>'" + told + "'\nexec svnserve -t -r '" + filepath.Dir(w.dir) + "'\n"
	if err := os.WriteFile(filepath.Join(bin, "ssh"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	w.address = "svn+ssh://ada@svn.example.com:2222/" + url.PathEscape(filepath.Base(w.dir))
	r := w.mustOpen()
	wantContents(t, r, tip(t, r, "trunk").Tree, map[string]string{"a": "f 1"})
	b, err := os.ReadFile(told)
	if err != nil || !strings.HasPrefix(string(b), "-o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 -p 2222 ada@svn.example.com svnserve -t\n") {
		t.Errorf("ssh was told %q, %v", b, err)
	}
}

func TestComplaints(t *testing.T) {
	for complaint, want := range map[string]struct {
		kind rollcall.Kind
		hint string
	}{
		"svn: E170013: Unable to connect to a repository at URL 'svn://h/x'\nsvn: E000111: Can't connect to host 'h': Connection refused": {rollcall.KindInternal, "is up"},
		"svn: E170013: Unable to connect to a repository at URL 'file:///x'\nsvn: E180001: Unable to open repository 'file:///x'":         {rollcall.KindNotFound, "svn: key"},
		"svn: E170013: Unable to connect to a repository at URL 'https://h/x'\nsvn: E230001: Server SSL certificate verification failed":  {rollcall.KindInternal, "certificate"},
		"svn: E215004: Authentication failed and interactive prompting is disabled; see the --force-interactive option":                   {rollcall.KindInternal, "password"},
		"Host key verification failed.\nsvn: E170013: Unable to connect\nsvn: E210002: Network connection closed unexpectedly":            {rollcall.KindInternal, "known_hosts"},
		"ada@h: Permission denied (publickey).\nsvn: E170013: Unable to connect\nsvn: E210002: Network connection closed unexpectedly":    {rollcall.KindInternal, "ssh-add"},
		"svn: E160006: No such revision 9": {rollcall.KindNotFound, ""},
		"svn: E\x1b[2J":                    {rollcall.KindInternal, ""},
	} {
		err := commandError(t.Context(), "svn", command{verb: "info"}, errors.New("exit status 1"), complaint)
		if rollcall.KindOf(err) != want.kind || !strings.Contains(rollcall.HintOf(err), want.hint) || strings.ContainsAny(err.Error(), "\x1b\n") || strings.Contains(err.Error(), "E170013") {
			t.Errorf("%q becomes %v (%s), hint %q", complaint, err, rollcall.KindOf(err), rollcall.HintOf(err))
		}
	}
	t.Setenv("PATH", t.TempDir())
	_, err := (&client{config: t.TempDir()}).svn(t.Context(), "info", nil, "x@")
	if rollcall.KindOf(err) != rollcall.KindInvalid || !strings.Contains(rollcall.HintOf(err), "install Subversion") {
		t.Errorf("without svn: %v", err)
	}
}

// Whatever svn started ends with it, and a person's wish to end is told as such.
func TestTheWholeGroupEnds(t *testing.T) {
	bin := t.TempDir()
	os.WriteFile(filepath.Join(bin, "svn"), []byte("#!/bin/sh\nsleep 100 &\nwait\n"), 0o755)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	c := &client{config: t.TempDir()}
	err := c.stream(t.Context(), command{verb: "info", limit: 200 * time.Millisecond}, discardOutput)
	if err == nil || !strings.Contains(err.Error(), "did not end within 200ms") {
		t.Errorf("too slow: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(rollcall.Errorf(rollcall.KindStopped, "enough"))
	if _, err := c.svn(ctx, "info", nil); rollcall.KindOf(err) != rollcall.KindStopped {
		t.Errorf("cancelled: %v", err)
	}
	bad := errors.New("bad")
	if err := c.stream(t.Context(), command{verb: "info"}, func(io.Reader) error { return bad }); !errors.Is(err, bad) {
		t.Errorf("nobody reads: %v", err)
	}
}

func TestSVNMucc(t *testing.T) {
	w := newWorld(t)
	r := w.mustOpen()
	out, err := r.client.svnmucc(t.Context(), []string{"-m", "made", "-U", r.root}, "mkdir", "trunk")
	if err != nil || !strings.Contains(string(out), "r1 committed") {
		t.Errorf("svnmucc: %q, %v", out, err)
	}
}
