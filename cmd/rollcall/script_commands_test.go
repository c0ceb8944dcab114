package main

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// patience is how long a script waits for what must come. It is not how long it takes.
const patience = 60 * time.Second

type scriptCommand = func(ts *testscript.TestScript, neg bool, args []string)

var scriptCommands = map[string]scriptCommand{
	"fleet":     plain(cmdFleet),
	"commit":    plain(cmdCommit),
	"svncommit": plain(cmdSVNCommit),
	"trunk":     plain(cmdTrunk),
	"branch":    plain(cmdBranch),
	"change":    plain(cmdChange),
	"update":    plain(cmdUpdate),
	"bring":     plain(cmdBring),
	"exit":      plain(cmdExit),
	"rollcall":  plain(cmdRollcall),
	"start":     plain(cmdStart),
	"ends":      plain(cmdEnds),
	"signal":    plain(cmdSignal),
	"waitout":   plain(cmdWaitOut),
	"until":     plain(cmdUntil),
	"snapshot":  plain(cmdSnapshot),
	"unchanged": plain(cmdUnchanged),
	"get":       plain(cmdGet),
	"json":      plain(cmdJSON),
	"jsonlast":  plain(cmdJSONLast),
	"jsonkeys":  plain(cmdJSONKeys),
	"write":     plain(cmdWrite),
	"big":       plain(cmdBig),
	"stopnode":  plain(cmdStopNode),
	"startnode": plain(cmdStartNode),
	"killnode":  plain(cmdKillNode),
	"hostkey":   plain(cmdHostKey),
	"fault":     plain(cmdFault),
	"empty":     plain(cmdEmpty),
	"stat":      plain(cmdStat),
	"eq":        cmdEq,
	"capture":   plain(cmdCapture),
	"tmpfs":     plain(cmdTmpfs),
	"newkey":    plain(cmdNewKey),
	"pin":       plain(cmdPin),
	"hook":      plain(cmdHook),
	"told":      plain(cmdTold),
	"haproxy":   plain(cmdHAProxy),
	"serving":   plain(cmdServing),
	"lb":        plain(cmdLB),
}

// plain is a command that can't be negated.
func plain(do func(ts *testscript.TestScript, w *world, args []string)) scriptCommand {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("it has no opposite")
		}
		do(ts, ts.Value(worldKey{}).(*world), args)
	}
}

func want(ts *testscript.TestScript, ok bool, usage string) {
	if !ok {
		ts.Fatalf("usage: %s", usage)
	}
}

func (w *world) node(ts *testscript.TestScript, name string) *worldNode {
	n := w.nodes[name]
	if n == nil {
		ts.Fatalf("there is no node %s", name)
	}
	return n
}

// plainSite is what a script rolls that has no rollcall.yaml of its own.
const plainSite = `code:
  www: {git: ../www, production: production}
environments:
  production:
    to: /{dir}/srv
ssh: {key_file: keys/deploy, known_hosts: known_hosts}
`

// fleet [TIER:] NODE[,KEY=VALUE]... starts nodes and writes what the site knows of
// them, and a plain rollcall.yaml where the script has none. NODE_WEB and NODE_PORT are
// set, in capitals.
func cmdFleet(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) > 0, "fleet [@ENVIRONMENT] [TIER:] NODE[,KEY=VALUE]...")
	file := "production"
	if name, ok := strings.CutPrefix(args[0], "@"); ok {
		file, args = name, args[1:]
	}
	var nodes, known strings.Builder
	tier := "app"
	for i, arg := range args {
		if name, ok := strings.CutSuffix(arg, ":"); ok {
			tier = name
			fmt.Fprintf(&nodes, "[%s]\n", tier)
			continue
		}
		if i == 0 {
			fmt.Fprintf(&nodes, "[%s]\n", tier)
		}
		fields := strings.Split(arg, ",")
		n, err := w.addNode(fields[0])
		ts.Check(err)
		fmt.Fprintf(&nodes, "%s ansible_host=127.0.0.1 ansible_port=%d ansible_user=%s dir=%s web=%d %s\n",
			n.name, n.sshd.Port(), ts.Getenv("ME"), strings.TrimPrefix(n.dir, "/"), n.webPort(), strings.Join(fields[1:], " "))
		known.WriteString(n.knownLine() + "\n")
		upper := strings.ToUpper(strings.ReplaceAll(n.name, ".", "_"))
		w.setenv(ts, upper+"_WEB", strconv.Itoa(n.webPort()))
		w.setenv(ts, upper+"_PORT", strconv.Itoa(n.sshd.Port()))
	}
	ts.Check(os.MkdirAll(w.path("site", "nodes"), 0o755))
	ts.Check(os.WriteFile(w.path("site", "nodes", file), []byte(nodes.String()), 0o644))
	others, err := os.ReadFile(w.path("site", "known_hosts"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		ts.Check(err)
	}
	ts.Check(os.WriteFile(w.path("site", "known_hosts"), append(others, known.String()...), 0o644))
	if _, err := os.Stat(w.path("site", "rollcall.yaml")); err != nil {
		ts.Check(os.WriteFile(w.path("site", "rollcall.yaml"), []byte(plainSite), 0o644))
	}
}

func (n *worldNode) knownLine() string {
	return knownhosts.Line([]string{fmt.Sprintf("[127.0.0.1]:%d", n.sshd.Port())}, n.sshd.HostKey())
}

func (w *world) setenv(ts *testscript.TestScript, name, value string) {
	ts.Setenv(name, value)
	w.env = append(w.env, name)
}

func (w *world) environ(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range w.env {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

// commit MESSAGE [AUTHOR] commits everything in the folder www, which becomes a git
// repository with the branch production.
func cmdCommit(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 1 || len(args) == 2, "commit MESSAGE [AUTHOR]")
	author := "Ada"
	if len(args) == 2 {
		author = args[1]
	}
	git := func(args ...string) {
		c := exec.Command("git", append([]string{"-C", w.path("www")}, args...)...)
		c.Env = append(w.environ(ts), "GIT_AUTHOR_NAME="+author, "GIT_AUTHOR_EMAIL="+strings.ToLower(author)+"@example.com")
		if out, err := c.CombinedOutput(); err != nil {
			ts.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	ts.Check(os.MkdirAll(w.path("www"), 0o755))
	if _, err := os.Stat(w.path("www", ".git")); err != nil {
		git("init", "-q")
	}
	git("add", "-A")
	git("commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", args[0])
}

// exit CODE COMMAND... runs a command that must end with exactly that code.
func cmdExit(ts *testscript.TestScript, _ *world, args []string) {
	want(ts, len(args) >= 2, "exit CODE COMMAND...")
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != code {
		ts.Fatalf("exit code %d, want %d", got, code)
	}
}

// rollcall ... is exit 0 rollcall ...
func cmdRollcall(ts *testscript.TestScript, w *world, args []string) {
	cmdExit(ts, w, append([]string{"0", "rollcall"}, args...))
}

// start NAME COMMAND... runs a command beside the script.
func cmdStart(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) >= 2, "start NAME COMMAND...")
	program := args[1]
	if filepath.Base(program) == program {
		for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
			if _, err := os.Stat(filepath.Join(dir, program)); err == nil {
				program = filepath.Join(dir, program)
				break
			}
		}
	}
	ts.Check(w.start(args[0], ts.MkAbs("."), w.environ(ts), append([]string{program}, args[2:]...)))
}

func (w *world) background(ts *testscript.TestScript, name string) *background {
	b := w.running[name]
	if b == nil {
		ts.Fatalf("%s was not started", name)
	}
	return b
}

// ends NAME CODE waits for it to end with exactly that code. -1 is a signal.
func cmdEnds(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 2, "ends NAME CODE")
	b := w.background(ts, args[0])
	code, err := strconv.Atoi(args[1])
	ts.Check(err)
	select {
	case <-b.done:
	case <-time.After(patience):
		ts.Fatalf("%s does not end; so far:\n%s%s", args[0], b.text(&b.out), b.text(&b.err))
	}
	delete(w.running, args[0])
	io.WriteString(ts.Stdout(), b.out.String())
	io.WriteString(ts.Stderr(), b.err.String())
	if b.exit != code {
		ts.Fatalf("%s ended with %d, want %d\n%s%s", args[0], b.exit, code, b.out.String(), b.err.String())
	}
}

// signal NAME INT|TERM|KILL|HUP
func cmdSignal(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 2, "signal NAME INT|TERM|KILL|HUP")
	s, ok := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL, "HUP": syscall.SIGHUP}[args[1]]
	want(ts, ok, "signal NAME INT|TERM|KILL|HUP")
	ts.Check(w.background(ts, args[0]).cmd.Process.Signal(s))
}

// waitout NAME PATTERN waits until what it wrote matches.
func cmdWaitOut(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 2, "waitout NAME PATTERN")
	b := w.background(ts, args[0])
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	late := time.After(patience)
	for {
		b.mu.Lock()
		found := pattern.Match(b.out.Bytes()) || pattern.Match(b.err.Bytes())
		more := b.more
		b.mu.Unlock()
		if found {
			return
		}
		select {
		case <-more:
		case <-late:
			ts.Fatalf("%s never wrote %s; so far:\n%s%s", args[0], args[1], b.text(&b.out), b.text(&b.err))
		case <-b.done:
			b.mu.Lock()
			found := pattern.Match(b.out.Bytes()) || pattern.Match(b.err.Bytes())
			b.mu.Unlock()
			if !found {
				ts.Fatalf("%s ended with %d and never wrote %s:\n%s%s", args[0], b.exit, args[1], b.text(&b.out), b.text(&b.err))
			}
			return
		}
	}
}

// until FILE waits until it is there.
func cmdUntil(ts *testscript.TestScript, _ *world, args []string) {
	want(ts, len(args) == 1, "until FILE")
	for late := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Lstat(ts.MkAbs(args[0])); err == nil {
			return
		}
		if time.Now().After(late) {
			ts.Fatalf("%s never came", args[0])
		}
	}
}

// snapshot NODE... remembers what visitors of nodes can see, for unchanged.
func cmdSnapshot(ts *testscript.TestScript, w *world, args []string) {
	for _, name := range args {
		w.shots[name] = w.node(ts, name).visible(ts)
	}
}

// unchanged NODE... compares it: names, contents, modes, times, inodes.
func cmdUnchanged(ts *testscript.TestScript, w *world, args []string) {
	for _, name := range args {
		before, ok := w.shots[name]
		want(ts, ok, "snapshot NODE... before unchanged NODE...")
		if now := w.node(ts, name).visible(ts); now != before {
			ts.Fatalf("%s is not as it was\nbefore:\n%s\nnow:\n%s", name, before, now)
		}
	}
}

// visible lists everything below current and shared, or what stands in a folder that
// Rollcall has not made its own.
func (n *worldNode) visible(ts *testscript.TestScript) string {
	var b strings.Builder
	srv := filepath.Join(n.dir, "srv")
	target, err := os.Readlink(filepath.Join(srv, "current"))
	fmt.Fprintf(&b, "current -> %s\n", target)
	places := []string{filepath.Join(srv, "shared")}
	if err == nil {
		places = append(places, filepath.Join(srv, target))
	} else {
		places = []string{srv}
	}
	for _, place := range places {
		err := filepath.WalkDir(place, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(srv, path)
			if first, _, _ := strings.Cut(rel, "/"); d.IsDir() && (first == ".rollcall" || len(places) == 1 && first == "releases") {
				return fs.SkipDir
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			if d.IsDir() {
				if path != srv && len(places) > 1 {
					fmt.Fprintf(&b, "%s %s\n", info.Mode(), rel)
				}
				return nil
			}
			content := ""
			if info.Mode().IsRegular() {
				text, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				content = fmt.Sprintf("%x", sha256.Sum256(text))
			} else {
				content, _ = os.Readlink(path)
			}
			fmt.Fprintf(&b, "%s %s %s %d %s\n", info.Mode(), rel, info.ModTime().UTC().Format(time.RFC3339Nano), info.Sys().(*syscall.Stat_t).Ino, content)
			return nil
		})
		ts.Check(err)
	}
	return b.String()
}

// get NODE PATH [STATUS] asks the node's web server, and prints the answer.
func cmdGet(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 2 || len(args) == 3, "get NODE PATH [STATUS]")
	status := "200"
	if len(args) == 3 {
		status = args[2]
	}
	answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d%s", w.node(ts, args[0]).webPort(), args[1]))
	ts.Check(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	ts.Check(err)
	ts.Stdout().Write(body)
	if strconv.Itoa(answer.StatusCode) != status {
		ts.Fatalf("%s%s answers %d, want %s", args[0], args[1], answer.StatusCode, status)
	}
}

// write FILE TEXT writes a file; the text's \n, \x1b and the like are read as Go does.
func cmdWrite(ts *testscript.TestScript, _ *world, args []string) {
	want(ts, len(args) == 2, "write FILE TEXT")
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(args[1], `"`, `\"`) + `"`)
	ts.Check(err)
	name, err := strconv.Unquote(`"` + strings.ReplaceAll(args[0], `"`, `\"`) + `"`)
	ts.Check(err)
	file := ts.MkAbs(name)
	ts.Check(os.MkdirAll(filepath.Dir(file), 0o755))
	ts.Check(os.WriteFile(file, []byte(text), 0o644))
}

// big FILE MEGABYTES writes what can't be compressed.
func cmdBig(ts *testscript.TestScript, _ *world, args []string) {
	want(ts, len(args) == 2, "big FILE MEGABYTES")
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	b := make([]byte, n<<20)
	rand.Read(b)
	ts.Check(os.MkdirAll(filepath.Dir(ts.MkAbs(args[0])), 0o755))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o644))
}

// stopnode NODE ends its sshd: connections are refused.
func cmdStopNode(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 1, "stopnode NODE")
	w.node(ts, args[0]).sshd.Stop()
}

// startnode NODE starts it again.
func cmdStartNode(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 1, "startnode NODE")
	ts.Check(w.node(ts, args[0]).sshd.Start())
}

// killnode NODE kills its rollcall-node, which must be there.
func cmdKillNode(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 1, "killnode NODE")
	if w.node(ts, args[0]).sshd.KillNode() == 0 {
		ts.Fatalf("no rollcall-node runs on %s", args[0])
	}
}

// hostkey NODE new|known gives it another host key, or writes the present one into
// site/known_hosts.
func cmdHostKey(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 2, "hostkey NODE new|known|unknown")
	n := w.node(ts, args[0])
	if args[1] == "new" {
		ts.Check(n.sshd.NewHostKey())
		return
	}
	file := w.path("site", "known_hosts")
	b, err := os.ReadFile(file)
	ts.Check(err)
	var lines []string
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, fmt.Sprintf("[127.0.0.1]:%d ", n.sshd.Port())) {
			lines = append(lines, line)
		}
	}
	if args[1] == "known" {
		lines = append(lines, n.knownLine()+"\n")
	}
	ts.Check(os.WriteFile(file, []byte(strings.Join(lines, "")), 0o644))
}

// fault NODE MEGABYTES killnode|killsshd breaks a node once a connection has carried so much.
func cmdFault(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 3, "fault NODE MEGABYTES killnode|killsshd")
	n := w.node(ts, args[0])
	megabytes, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	do := map[string]func(){"killnode": func() { n.sshd.KillNode() }, "killsshd": n.sshd.KillSessions}[args[2]]
	want(ts, do != nil, "fault NODE MEGABYTES killnode|killsshd")
	n.sshd.FaultAfter(megabytes<<20, do)
}

// empty FOLDER wants nothing in it.
func cmdEmpty(ts *testscript.TestScript, _ *world, args []string) {
	want(ts, len(args) == 1, "empty FOLDER")
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(entries) > 0 {
		ts.Fatalf("%s holds %v", args[0], entries)
	}
}

// stat VARIABLE FILE FIELD... sets a variable to what the file system says of a file.
func cmdStat(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) >= 3, "stat VARIABLE FILE inode|mode|mtime|links...")
	info, err := os.Lstat(ts.MkAbs(args[1]))
	ts.Check(err)
	s := info.Sys().(*syscall.Stat_t)
	var values []string
	for _, field := range args[2:] {
		switch field {
		case "inode":
			values = append(values, fmt.Sprint(s.Ino))
		case "mode":
			values = append(values, fmt.Sprintf("%04o", info.Mode().Perm()))
		case "mtime":
			values = append(values, fmt.Sprintf("%d.%09d", s.Mtim.Sec, s.Mtim.Nsec))
		case "links":
			values = append(values, fmt.Sprint(s.Nlink))
		default:
			ts.Fatalf("unknown field %s", field)
		}
	}
	w.setenv(ts, args[0], strings.Join(values, " "))
}

// eq A B wants two texts to be equal; ! eq wants them to differ.
func cmdEq(ts *testscript.TestScript, neg bool, args []string) {
	want(ts, len(args) == 2, "eq A B")
	if (args[0] == args[1]) == neg {
		ts.Fatalf("%q and %q", args[0], args[1])
	}
}

// capture VARIABLE PATTERN sets a variable to the pattern's first group in the last
// standard output.
func cmdCapture(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 2, "capture VARIABLE PATTERN")
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	found := pattern.FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) < 2 {
		ts.Fatalf("nothing in standard output matches %s", args[1])
	}
	w.setenv(ts, args[0], found[1])
}

// tmpfs FOLDER SIZE mounts a small file system there, until the script ends.
func cmdTmpfs(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 2, "tmpfs FOLDER SIZE")
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	if err := syscall.Mount("rollcall-test", dir, "tmpfs", 0, "size="+args[1]); err != nil {
		ts.Fatalf("mount a tmpfs (this test wants root with CAP_SYS_ADMIN): %v", err)
	}
	w.closers = append(w.closers, func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// newkey FILE makes an ssh key that no node knows.
func cmdNewKey(ts *testscript.TestScript, _ *world, args []string) {
	want(ts, len(args) == 1, "newkey FILE")
	key, err := newKey(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Stdout().Write(ssh.MarshalAuthorizedKey(key))
}

// pin NODE lets the site's key start rollcall-node there and nothing else.
func cmdPin(ts *testscript.TestScript, w *world, args []string) {
	want(ts, len(args) == 1, "pin NODE")
	ts.Check(w.node(ts, args[0]).sshd.Pin())
}
