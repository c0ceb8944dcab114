package node

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/wire"
)

const someRelease = rollcall.ReleaseID("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")

func request(t testing.TB, q wire.Request) []byte {
	t.Helper()
	b, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNoNameInARequestLeavesTheFolder(t *testing.T) {
	clean := &wire.Clean{Always: []rollcall.ReleaseID{"../../etc"}}
	for name, q := range map[string]wire.Request{
		"no folder":             {Verb: wire.VerbHello},
		"a relative folder":     {Verb: wire.VerbHello, Folder: "srv"},
		"dots in the folder":    {Verb: wire.VerbHello, Folder: "/srv/../etc"},
		"dots at its end":       {Verb: wire.VerbHello, Folder: "/srv/.."},
		"the whole machine":     {Verb: wire.VerbHello, Folder: "/"},
		"a slash at its end":    {Verb: wire.VerbHello, Folder: "/srv/"},
		"a manifest above":      {Verb: wire.VerbManifest, Folder: "/srv", Release: "../../../../etc/passwd"},
		"a manifest of nothing": {Verb: wire.VerbManifest, Folder: "/srv"},
		"a release above":       {Verb: wire.VerbReceive, Folder: "/srv", Release: "../x", Receive: &wire.Receive{}},
		"a base above":          {Verb: wire.VerbReceive, Folder: "/srv", Release: someRelease, Receive: &wire.Receive{Base: "../x"}},
		"a link above":          {Verb: wire.VerbReceive, Folder: "/srv", Release: someRelease, Receive: &wire.Receive{Link: []string{"../x"}}},
		"an absolute link":      {Verb: wire.VerbReceive, Folder: "/srv", Release: someRelease, Receive: &wire.Receive{Link: []string{"/etc"}}},
		"a link on the way up":  {Verb: wire.VerbReceive, Folder: "/srv", Release: someRelease, Receive: &wire.Receive{Link: []string{"a/../../x"}}},
		"a switch above":        {Verb: wire.VerbSwitch, Folder: "/srv", Release: "../x", Switch: &wire.Switch{}},
		"a switch from above":   {Verb: wire.VerbSwitch, Folder: "/srv", Release: someRelease, Switch: &wire.Switch{From: "../../x"}},
		"upper case":            {Verb: wire.VerbSwitch, Folder: "/srv", Release: rollcall.ReleaseID(strings.ToUpper(string(someRelease))), Switch: &wire.Switch{}},
		"a clean above":         {Verb: wire.VerbClean, Folder: "/srv", Clean: clean},
		"a receive of nothing":  {Verb: wire.VerbReceive, Folder: "/srv", Release: someRelease},
		"a switch of nothing":   {Verb: wire.VerbSwitch, Folder: "/srv"},
		"an audit of nothing":   {Verb: wire.VerbAudit, Folder: "/srv"},
		"an audit's link above": {Verb: wire.VerbAudit, Folder: "/srv", Audit: &wire.Audit{Link: []string{"../x"}}},
		"a run of nothing":      {Verb: wire.VerbRun, Folder: "/srv", Run: &wire.Run{}},
	} {
		if _, err := parseRequest(request(t, q)); err == nil {
			t.Errorf("%s is let through", name)
		}
	}
	good := wire.Request{Verb: wire.VerbReceive, Folder: "/srv/www", Release: someRelease, Receive: &wire.Receive{Base: someRelease, Link: []string{"uploads/", "config/local.php"}}}
	if _, err := parseRequest(request(t, good)); err != nil {
		t.Error(err)
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add(request(f, wire.Request{Verb: wire.VerbHello, Folder: "/srv"}))
	f.Add(request(f, wire.Request{Verb: wire.VerbReceive, Folder: "/srv", Release: someRelease, Receive: &wire.Receive{Link: []string{"a/b/"}}}))
	f.Add([]byte(`{"folder":"/srv/..","verb":"switch","switch":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := parseRequest(body)
		if err != nil {
			return
		}
		if q.Folder == "/" || !strings.HasPrefix(q.Folder, "/") || strings.Contains(q.Folder+"/", "/../") {
			t.Errorf("folder %q", q.Folder)
		}
		for _, id := range []rollcall.ReleaseID{q.Release} {
			if id != "" && !id.Valid() {
				t.Errorf("release %q", id)
			}
		}
		if q.Receive != nil && q.Verb == wire.VerbReceive {
			for _, link := range q.Receive.Link {
				if strings.HasPrefix(link, "/") || strings.HasPrefix(link, "../") || link == ".." {
					t.Errorf("link %q", link)
				}
			}
		}
	})
}
