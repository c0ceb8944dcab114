package site

import (
	"strings"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
)

func TestGitAddresses(t *testing.T) {
	for address, right := range map[string]bool{
		"www.git":                               true,
		"../repos/www.git":                      true,
		"/srv/git/www.git":                      true,
		"./a:b":                                 true,
		"with blank.git":                        true,
		"file:///srv/git/www.git":               true,
		"file://localhost/srv/git":              true,
		"ssh://git@vcs.example.com:2222/www":    true,
		"ssh://[2001:db8::1]:22/www":            true,
		"https://vcs.example.com/www.git":       true,
		"https://me@vcs.example.com/www.git":    true,
		"git@vcs.example.com:www.git":           true,
		"vcs:www.git":                           true,
		"vcs:~/www.git":                         true,
		"[2001:db8::1]:www.git":                 true,
		"-u":                                    false,
		"--upload-pack=touch x":                 false,
		"ext::sh -c x":                          false,
		"fd::17":                                false,
		"https::x":                              false,
		"http://vcs.example.com/www":            false,
		"git://vcs.example.com/www":             false,
		"git+ssh://vcs.example.com/www":         false,
		"FILE:///x":                             false,
		"file://vcs.example.com/srv":            false,
		"file://":                               false,
		"https://me:secret@vcs.example.com/www": false,
		"https://vcs.example.com":               false,
		"https:///www":                          false,
		"ssh://-oProxyCommand=x/www":            false,
		"ssh://-x@vcs/www":                      false,
		"ssh://vcs/-x":                          false,
		"ssh://vcs%20x/y":                       false,
		"-oProxyCommand=x:y":                    false,
		"git@-oProxyCommand=x:y":                false,
		"-x@vcs:y":                              false,
		"@vcs:y":                                false,
		"vcs:":                                  false,
		"vcs:-x":                                false,
		"a b:c":                                 false,
		"$(x):y":                                false,
		"~/www.git":                             false,
	} {
		if err := checkGitAddress(address); (err == nil) != right {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestBranchNames(t *testing.T) {
	for name, right := range map[string]bool{
		"main": true, "dev/anna": true, "1.10": true, "ü": true, "a@b": true, "x-": true, "a.lockx": true, "{a}": true,
		"-x": false, "a..b": false, "a b": false, "a~1": false, "a^": false, "a:b": false, "a?": false,
		"a*": false, "a[b": false, `a\b`: false, "a\x7f": false, "a\tb": false, "/a": false, "a/": false, "a//b": false,
		".a": false, "a/.b": false, "a.lock": false, "a.lock/b": false, "a.": false, "@": false, "HEAD": false, "a@{1}": false,
		strings.Repeat("x", 201): false,
	} {
		if err := checkBranch(name); (err == nil) != right {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "1.5h": 90 * time.Minute, "2d": 48 * time.Hour, "1d12h30m": 36*time.Hour + 30*time.Minute,
		"250ms": 250 * time.Millisecond, "0": 0, "0s": 0, "3650d": maxDuration,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "30", "d", "1h2d", "-1s", "+1s", "1 h", "1.5d", "3651d", "3650d1s", "99999999999999h", "1e3s", "s", ".5s", "1w"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func TestQuantities(t *testing.T) {
	for text, want := range map[string]rollcall.Quantity{
		"3": {Count: 3}, "25%": {Percent: 25}, "12.5%": {Percent: 12.5}, "100%": {Percent: 100}, "1000000": {Count: 1000000},
	} {
		if got, err := parseQuantity(text, false); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "0%", "0.0%", "-1", "+1", "1.5", "101%", "100.1%", "%", "all", "1e2", "0x10", "1_0", "NaN%", "1000001", " 1"} {
		if got, err := parseQuantity(text, false); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
	for _, text := range []string{"0", "0%"} {
		if got, err := parseQuantity(text, true); err != nil || got != (rollcall.Quantity{}) {
			t.Errorf("limit %q: %v, %v", text, got, err)
		}
	}
}

func TestNearest(t *testing.T) {
	for _, c := range []struct {
		name  string
		known string
		want  string
	}{
		{"bach", "batch soak verify", "batch"},
		{"ap", "cdn app", "app"},
		{"vefiry", "batch soak verify", "verify"},
		{"Batch", "batch", "batch"},
		{"prod", "staging production", "production"},
		{"x", "y to", ""},
		{"whatever", "batch soak", ""},
		{"", "a b", ""},
		{strings.Repeat("a", 65), "a", ""},
		{"a", "", ""},
	} {
		if got := Nearest(c.name, strings.Fields(c.known)); got != c.want {
			t.Errorf("Nearest(%q, %q) = %q, want %q", c.name, c.known, got, c.want)
		}
	}
}

// TestMany keeps large files from costing more than they are long.
func TestMany(t *testing.T) {
	var nodes, yaml strings.Builder
	nodes.WriteString("[app]\napp[0001:9000] dc=ams\n[app:vars]\nrack=1\n")
	yaml.WriteString("code: {www: {git: a}}\nenvironments:\n  production:\n    to: /srv/{dc}/{rak}\n    link:\n")
	for range 5000 {
		yaml.WriteString("      - x\n")
	}
	got := mistakesOf(t, folder(t, map[string]string{configFile: yaml.String(), "nodes/production": nodes.String()}))
	if len(got) != 5000 || got[0] != `rollcall.yaml:4:9: unknown variable "{rak}" for node "app0001" and 8999 more, did you mean "{rack}"?` {
		t.Errorf("%d mistakes, the first %q", len(got), got[0])
	}
	deep := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	if got := mistakesOf(t, folder(t, map[string]string{configFile: "code: " + deep})); len(got) != 2 {
		t.Errorf("deep: %q", got)
	}
}
