package site

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rollcall-dev/rollcall"
)

func TestLoadSmallest(t *testing.T) {
	s := good(t, map[string]string{
		configFile:         "code: {www: {git: www.git}}\nenvironments: {production: {to: /srv/www}}\n",
		"nodes/production": "app01\n",
	})
	want := &rollcall.Code{Name: "www", Git: "www.git", Trunk: "main", Production: "main"}
	if diff := cmp.Diff(want, s.Codes["www"]); diff != "" {
		t.Errorf("code (-want +got):\n%s", diff)
	}
	env := &rollcall.Environment{
		Name: "production", Code: s.Codes["www"], NodesFile: "nodes/production", Keep: 5,
		OnFailure: rollcall.FailureRollback,
		Tiers: []*rollcall.Tier{{
			Name:  "ungrouped",
			Nodes: []rollcall.Node{{Name: "app01", Address: "app01", Folder: "/srv/www"}},
			Batch: []rollcall.Quantity{{Percent: 100}},
		}},
	}
	if diff := cmp.Diff(env, s.Environments["production"]); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if s.SSH != nil || s.Tickets != nil || !filepath.IsAbs(s.Dir) {
		t.Errorf("site %+v", s)
	}
}

const fullConfig = `
code:
  www:
    git: ssh://git@vcs.example.com/www.git
    trunk: trunk
    production: production
    branches: dev/*
    build: composer install --no-dev "--working-dir=a b"
    exclude: [".git*", "tests/"]
    submodules: true
    checks:
      - {name: php syntax, files: ["*.php", "*.html"], run: "php -n -l {file}", version: php --version, max_size: 5MB}
      - {name: configtest, run: [apachectl, -t, -d, "{tree}"], timeout: 30s}
      - name: no tabs
        sh: '! grep -q "	" "$ROLLCALL_FILE"'
    markers: {exclude: [tests/merge/, docs/git.md]}
  dns:
    git: git@vcs.example.com:dns.git
    production: live
    build: {run: [make, zones], timeout: 1h}
  shop:
    svn: svn+ssh://svn@svn.example.com/srv/svn/shop
    production: branches/production
    branches: branches/dev-*
  apache:
    svn: https://ada@svn.example.com/apache
    password_file: secrets/svn
environments:
  staging: &staging
    code: www
    from: candidate
    desk: second
    nodes: inventories/staging
    to: /srv/{name}/www
    ssh: {user: tester, known_hosts: keys/staging_hosts}
  production:
    code: www
    to: /srv/www
    layout: releases
    link: [config/local.php, uploads/, cache/]
    keep: 7
    tiers:
      app:
        batch: [1, 12.5%]
        activate:
          - sudo systemctl reload php8.2-fpm
          - {run: [touch, "a b", ""], timeout: 5s}
          - sh: |
              test -e x && touch y
        verify:
          - http: http://{address}:8080/health
            body: fine
            header: ["Host: {dc}.example.com"]
          - http: https://{address}/
            expect: 404
          - tcp: "{address}:{app_port}"
            within: 1m30s
          - run: check {name}
          - run: {sh: "test -S /run/x"}
          - nagios: check_load -w 5
            on: controller
          - http: http://{address}/
            match: "^fine$"
            answer: ["Server: nginx"]
            faster: 500ms
        soak: 1d12h
        drain: {haproxy: [/run/haproxy/admin.sock, "lb@lb1:/run/haproxy/admin.sock"], backend: www, wait: 45s}
        min_in_service: 50%
        prove: {http: "http://{address}/release.txt", header: ["Host: www.example.com"], answers: 8, within: 5s}
      web:
        drain: {flag: "/srv/{name}.drained"}
        prove: http://{address}/release.txt
      db:
        batch: 1
        drain: {out: "lbctl out {name}", in: "lbctl in {name}", state: "lbctl is {name}", on: node}
      lb:
        drain: {haproxy: "127.0.0.1:9999", backend: [a, b], server: "lb-{name}"}
      cdn:
        keep_old_files: {files: ["*.css", "*.js"], for: 2d}
    limits: {unreachable: 5%, broken: 0, failed: {fleet: 10%, tier: 1}}
    on_failure: stop
    before:
      - {on: controller, run: [bin/freeze]}
      - {on: app01, sh: php migrate.php, timeout: 1h, irreversible: true}
    after: {on: cdn1, run: "purge {name}"}
    announce: [devops, hook]
    require: [staged]
    mode: "0640"
    group: www-data
    become: sudo
tickets:
  trac: https://trac.example.com
channels:
  devops: {xmpp: rollcall@chat.example.com, room: devops@rooms.example.com, nick: rc, server: "chat:5222", ca_file: keys/ca, password_file: secrets/xmpp}
  other: {xmpp: rollcall@chat.example.com, room: other@rooms.example.com, password_env: XMPP}
  hook: {webhook: "https://hooks.example.com/x", secret_file: secrets/hook}
  plain: {webhook: "http://127.0.0.1/x", secret_env: HOOK}
ssh: {user: deploy, key_file: keys/deploy, known_hosts: keys/hosts}
`

const fullNodes = `
[cdn]
cdn1 ansible_host=192.0.2.1

[idle]
unused

[web]
web1

[db]
db1

[lb]
lb1

[app]
app[01:02] dc=ams
app03:2222 dc=fra ansible_user=www-data

[app:vars]
app_port=9000
`

func TestLoadFull(t *testing.T) {
	dir := folder(t, map[string]string{
		configFile: fullConfig, "nodes/production": fullNodes,
		"inventories/staging": "[one]\nstage01\n[two]\n[2001:db8::1]:2022\n",
		"keys/deploy":         "", "keys/hosts": "", "keys/staging_hosts": "",
	})
	s, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]*rollcall.Code{
		"www": {
			Name: "www", Git: "ssh://git@vcs.example.com/www.git", Trunk: "trunk", Production: "production", Branches: "dev/*",
			Build:   &rollcall.Command{Args: []string{"composer", "install", "--no-dev", "--working-dir=a b"}, Timeout: 10 * time.Minute},
			Exclude: []string{".git*", "tests/"}, Submodules: true,
			Checks: []rollcall.Check{
				{
					Name: "php syntax", Files: []string{"*.php", "*.html"}, MaxSize: 5 << 20,
					Run:     rollcall.Command{Args: []string{"php", "-n", "-l", "{file}"}, Timeout: time.Minute},
					Version: &rollcall.Command{Args: []string{"php", "--version"}, Timeout: time.Minute},
				},
				{Name: "configtest", Run: rollcall.Command{Args: []string{"apachectl", "-t", "-d", "{tree}"}, Timeout: 30 * time.Second}},
				{Name: "no tabs", Run: rollcall.Command{Shell: `! grep -q "	" "$ROLLCALL_FILE"`, Timeout: time.Minute}},
			},
			Markers: rollcall.Markers{Exclude: []string{"tests/merge/", "docs/git.md"}},
		},
		"dns": {
			Name: "dns", Git: "git@vcs.example.com:dns.git", Trunk: "live", Production: "live",
			Build: &rollcall.Command{Args: []string{"make", "zones"}, Timeout: time.Hour},
		},
		"shop": {
			Name: "shop", SVN: "svn+ssh://svn@svn.example.com/srv/svn/shop", Trunk: "trunk", Production: "branches/production", Branches: "branches/dev-*",
		},
		"apache": {
			Name: "apache", SVN: "https://ada@svn.example.com/apache", Trunk: "trunk", Production: "trunk",
			Password: rollcall.SecretPlace{File: filepath.Join(dir, "secrets/svn")},
		},
	}
	if diff := cmp.Diff(codes, s.Codes); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
	ssh := &rollcall.SSH{User: "deploy", KeyFile: filepath.Join(dir, "keys/deploy"), KnownHosts: filepath.Join(dir, "keys/hosts")}
	if diff := cmp.Diff(ssh, s.SSH); diff != "" {
		t.Errorf("ssh (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"trac": "https://trac.example.com"}, s.Tickets); diff != "" {
		t.Errorf("tickets (-want +got):\n%s", diff)
	}
	channels := map[string]*rollcall.Channel{
		"devops": {
			Name: "devops", XMPP: "rollcall@chat.example.com", Room: "devops@rooms.example.com", Nick: "rc", Server: "chat:5222",
			CAFile: filepath.Join(dir, "keys/ca"), Secret: rollcall.SecretPlace{File: filepath.Join(dir, "secrets/xmpp")},
		},
		"other": {Name: "other", XMPP: "rollcall@chat.example.com", Room: "other@rooms.example.com", Secret: rollcall.SecretPlace{Env: "XMPP"}},
		"hook":  {Name: "hook", Webhook: "https://hooks.example.com/x", Secret: rollcall.SecretPlace{File: filepath.Join(dir, "secrets/hook")}},
		"plain": {Name: "plain", Webhook: "http://127.0.0.1/x", Secret: rollcall.SecretPlace{Env: "HOOK"}},
	}
	if diff := cmp.Diff(channels, s.Channels); diff != "" {
		t.Errorf("channels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(fullProduction(s), s.Environments["production"]); diff != "" {
		t.Errorf("production (-want +got):\n%s", diff)
	}
	staging := s.Environments["staging"]
	merged := &rollcall.SSH{User: "tester", KeyFile: ssh.KeyFile, KnownHosts: filepath.Join(dir, "keys/staging_hosts")}
	if diff := cmp.Diff(merged, staging.SSH); diff != "" {
		t.Errorf("ssh of staging (-want +got):\n%s", diff)
	}
	nodes := []rollcall.Node{
		{Name: "stage01", Address: "stage01", User: "tester", Folder: "/srv/stage01/www"},
		{Name: "2001:db8::1", Address: "2001:db8::1", Port: 2022, User: "tester", Folder: "/srv/2001:db8::1/www"},
	}
	if diff := cmp.Diff(nodes, staging.Nodes()); diff != "" {
		t.Errorf("nodes of staging (-want +got):\n%s", diff)
	}
}

func fullProduction(s *rollcall.Site) *rollcall.Environment {
	node := func(name, dc string) rollcall.Node {
		return rollcall.Node{
			Name: name, Address: name, User: "deploy", Folder: "/srv/www",
			Vars: map[string]string{"dc": dc, "app_port": "9000"}, Layout: rollcall.LayoutReleases, Become: true,
		}
	}
	other := func(name, address string) rollcall.Node {
		return rollcall.Node{Name: name, Address: address, User: "deploy", Folder: "/srv/www", Layout: rollcall.LayoutReleases, Become: true}
	}
	lbctl := func(verb string) *rollcall.Command {
		return &rollcall.Command{Args: []string{"lbctl", verb, "{name}"}, Timeout: time.Minute}
	}
	third := node("app03", "fra")
	third.Port, third.User = 2222, "www-data"
	return &rollcall.Environment{
		Name: "production", Code: s.Codes["www"], NodesFile: "nodes/production", Keep: 7,
		Link: []string{"config/local.php", "uploads/", "cache/"},
		Limits: rollcall.Limits{
			Unreachable: rollcall.Limit{Quantity: rollcall.Quantity{Percent: 5}},
			Failed:      rollcall.Limit{Quantity: rollcall.Quantity{Percent: 10}, Tier: &rollcall.Quantity{Count: 1}},
		},
		OnFailure: rollcall.FailureStop,
		Require:   []rollcall.Requirement{rollcall.RequireStaged}, Layout: rollcall.LayoutReleases,
		Permissions: rollcall.Permissions{Mode: 0o640, Group: "www-data"},
		Before: []rollcall.Hook{
			{On: "controller", Run: rollcall.Command{Args: []string{"bin/freeze"}, Timeout: 10 * time.Minute}},
			{On: "app01", Run: rollcall.Command{Args: []string{}, Shell: "php migrate.php", Timeout: time.Hour}, Irreversible: true},
		},
		After:    []rollcall.Hook{{On: "cdn1", Run: rollcall.Command{Args: []string{"purge", "cdn1"}, Timeout: 10 * time.Minute}}},
		Announce: []string{"devops", "hook"},
		Tiers: []*rollcall.Tier{{
			Name:         "cdn",
			Nodes:        []rollcall.Node{other("cdn1", "192.0.2.1")},
			Batch:        []rollcall.Quantity{{Percent: 100}},
			KeepOldFiles: &rollcall.KeepOldFiles{Files: []string{"*.css", "*.js"}, For: 48 * time.Hour},
		}, {
			Name: "web", Nodes: []rollcall.Node{other("web1", "web1")}, Batch: []rollcall.Quantity{{Percent: 100}},
			Drain: &rollcall.Drain{Flag: "/srv/{name}.drained", Wait: 30 * time.Second},
			Prove: &rollcall.Probe{HTTP: "http://{address}/release.txt", Expect: 200, Within: 30 * time.Second, Proves: 20},
		}, {
			Name: "db", Nodes: []rollcall.Node{other("db1", "db1")}, Batch: []rollcall.Quantity{{Count: 1}},
			Drain: &rollcall.Drain{
				Out: lbctl("out"), In: lbctl("in"), State: lbctl("is"), OnNode: true, Wait: 30 * time.Second,
			},
		}, {
			Name: "lb", Nodes: []rollcall.Node{other("lb1", "lb1")}, Batch: []rollcall.Quantity{{Percent: 100}},
			Drain: &rollcall.Drain{HAProxy: []string{"127.0.0.1:9999"}, Backend: []string{"a", "b"}, Server: "lb-{name}", Wait: 30 * time.Second},
		}, {
			Name:  "app",
			Nodes: []rollcall.Node{node("app01", "ams"), node("app02", "ams"), third},
			Batch: []rollcall.Quantity{{Count: 1}, {Percent: 12.5}},
			Activate: []rollcall.Command{
				{Args: []string{"sudo", "systemctl", "reload", "php8.2-fpm"}, Timeout: time.Minute},
				{Args: []string{"touch", "a b", ""}, Timeout: 5 * time.Second},
				{Shell: "test -e x && touch y\n", Timeout: time.Minute},
			},
			Verify: []rollcall.Probe{
				{
					HTTP: "http://{address}:8080/health", Expect: 200, Body: "fine",
					Header: []string{"Host: {dc}.example.com"}, Within: 10 * time.Second,
				},
				{HTTP: "https://{address}/", Expect: 404, Within: 10 * time.Second},
				{TCP: "{address}:{app_port}", Within: 90 * time.Second},
				{Run: &rollcall.Command{Args: []string{"check", "{name}"}, Timeout: time.Minute}, Within: 10 * time.Second},
				{Run: &rollcall.Command{Shell: "test -S /run/x", Timeout: time.Minute}, Within: 10 * time.Second},
				{Nagios: &rollcall.Command{Args: []string{"check_load", "-w", "5"}, Timeout: time.Minute}, Within: 10 * time.Second, Here: true},
				{
					HTTP: "http://{address}/", Expect: 200, Match: "^fine$", Answer: []string{"Server: nginx"},
					Faster: 500 * time.Millisecond, Within: 10 * time.Second,
				},
			},
			Soak: 36 * time.Hour,
			Drain: &rollcall.Drain{
				HAProxy: []string{"/run/haproxy/admin.sock", "lb@lb1:/run/haproxy/admin.sock"}, Backend: []string{"www"}, Server: "{name}",
				Wait: 45 * time.Second,
			},
			MinInService: rollcall.Quantity{Percent: 50},
			Prove: &rollcall.Probe{
				HTTP: "http://{address}/release.txt", Expect: 200, Header: []string{"Host: www.example.com"}, Within: 5 * time.Second, Proves: 8,
			},
		}},
	}
}

// TestTiersOfParents rolls sections that stand above others.
func TestTiersOfParents(t *testing.T) {
	shop, err := os.ReadFile("testdata/inventories/shop.ini")
	if err != nil {
		t.Fatal(err)
	}
	s := good(t, map[string]string{
		configFile: `
code: {www: {git: a}}
environments:
  parents: {nodes: shop, to: /srv, tiers: {db: {batch: 1}, web: &half {batch: 50%}}}
  all: {nodes: shop, to: /srv/all, tiers: {all: *half}}
`,
		"shop": string(shop),
	})
	want := map[string][]string{
		"parents": {"web: web-fra01 web-fra02 web-fra09 web-ams01 web-ams02 web-ams03", "db: db-primary db-replica"},
		"all":     {"all: backup01 lb1.shop.example lb2.shop.example web-ams01 web-ams02 web-ams03 web-fra01 web-fra02 web-fra09 db-primary db-replica"},
	}
	for name, env := range s.Environments {
		var got []string
		for _, tier := range env.Tiers {
			line := tier.Name + ":"
			for _, n := range tier.Nodes {
				line += " " + n.Name
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(want[name], got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := s.Environments["all"].Tiers[0].Batch; !cmp.Equal(got, []rollcall.Quantity{{Percent: 50}}) {
		t.Errorf("the rules behind an alias are %v", got)
	}
}

func TestNoSite(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		_, err := Load(dir)
		if err == nil || rollcall.KindOf(err) != rollcall.KindInvalid {
			t.Fatalf("Load: %v", err)
		}
		if got, want := err.Error(), "no rollcall.yaml in "+dir; got != want {
			t.Errorf("error %q, want %q", got, want)
		}
		if got, want := rollcall.HintOf(err), "run rollcall init, or name the site's folder with --site"; got != want {
			t.Errorf("hint %q, want %q", got, want)
		}
	}
}

func TestUnreadable(t *testing.T) {
	const yaml = "code: {www: {git: a}}\nenvironments: {production: {nodes: n, to: /srv/www}}\n"
	long := strings.Repeat("# long\n", maxFile/7+1)
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"folder":       {map[string]string{configFile + "/x": ""}, "rollcall.yaml: cannot be read: it is a folder"},
		"long":         {map[string]string{configFile: long}, "rollcall.yaml: cannot be read: it is larger than 1 MiB"},
		"long nodes":   {map[string]string{configFile: yaml, "n": long}, `rollcall.yaml:2:36: cannot read the nodes file "n": it is larger than 1 MiB`},
		"bytes":        {map[string]string{configFile: "code: \xff"}, "rollcall.yaml:1:7: not UTF-8 text: the byte 0xff"},
		"UTF-16":       {map[string]string{configFile: "\xff\xfec\x00"}, "rollcall.yaml:1:1: not UTF-8 text: the byte 0xff"},
		"bytes, nodes": {map[string]string{configFile: yaml, "n": "ü\n ü\xff"}, "n:2:3: not UTF-8 text: the byte 0xff"},
		"beneath":      {map[string]string{configFile: strings.Replace(yaml, "nodes: n", "nodes: rollcall.yaml/n", 1)}, `rollcall.yaml:2:36: cannot read the nodes file "rollcall.yaml/n": not a directory`},
		"lines":        {map[string]string{configFile: "# a\u2028code: x"}, "rollcall.yaml:1:4: the control character U+2028"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := mistakesOf(t, folder(t, c.files)); len(got) != 1 || got[0] != c.want {
				t.Errorf("mistakes %q, want %q", got, c.want)
			}
		})
	}
}

func TestPipesAreNotWaitedFor(t *testing.T) {
	dir := folder(t, map[string]string{configFile: "code: {www: {git: a}}\nenvironments: {production: {nodes: n, to: /srv/www}}\n"})
	if err := os.Symlink("/dev/zero", filepath.Join(dir, "n")); err != nil {
		t.Fatal(err)
	}
	want := `rollcall.yaml:2:36: cannot read the nodes file "n": it is not a regular file`
	if got := mistakesOf(t, dir); len(got) != 1 || got[0] != want {
		t.Errorf("mistakes %q, want %q", got, want)
	}
}

// TestWindowsText reads what some editors write.
func TestWindowsText(t *testing.T) {
	good(t, map[string]string{
		configFile:         "\ufeffcode: {www: {git: a}}\r\nenvironments:\r\n  production:\r\n    to: /srv/www\r\n",
		"nodes/production": "\ufeff[app]\r\napp01 a=b\r\n\r\n",
	})
}
