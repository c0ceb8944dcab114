package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/site"
	"github.com/rollcall-dev/rollcall/internal/view"
)

// initOptions are the answers that make a site.
type initOptions struct {
	*global
	code, git, svn, branch, environment, to, user, health, inventory string
	nodes                                                            []string
	in                                                               *bufio.Reader
	printer                                                          *view.Printer
}

func newInit(g *global) *cobra.Command {
	o := &initOptions{global: g}
	c := &cobra.Command{
		Use: "init", Short: "Write a minimal site: rollcall.yaml and a nodes file",
		Long: "Asks what it needs to know, or takes it from the flags, and writes rollcall.yaml and a\n" +
			"nodes file into the site's folder. It replaces nothing that is there.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.in, o.printer = bufio.NewReader(c.InOrStdin()), g.printer()
			return o.run()
		},
	}
	f := c.Flags()
	f.StringVar(&o.git, "git", "", "the repository: a path, or an ssh or https address")
	f.StringVar(&o.svn, "svn", "", "the Subversion repository instead: a path or an address")
	f.StringVar(&o.branch, "branch", "", "the branch that rolls (default: main, in Subversion trunk)")
	f.StringVar(&o.code, "code", "", "what to call the code (default: the repository's name)")
	f.StringVar(&o.environment, "environment", "", "what to call the environment (default: production)")
	f.StringSliceVar(&o.nodes, "nodes", nil, "the servers: web1.example.com,web2.example.com")
	f.StringVar(&o.inventory, "inventory", "", "an Ansible INI inventory to use instead of --nodes")
	f.StringVar(&o.to, "to", "", "the folder on the servers (default: /srv/CODE)")
	f.StringVar(&o.user, "user", "", "the user to log in as (default: what your ssh configuration says)")
	f.StringVar(&o.health, "health", "", "an address that must answer 200 after the switch: http://{address}/health")
	return c
}

func (o *initOptions) run() error {
	file := filepath.Join(o.site, "rollcall.yaml")
	if _, err := os.Lstat(file); err == nil {
		return rollcall.Errorf(rollcall.KindConflict, "%s is there already", file).WithHint("check it with rollcall validate")
	}
	if err := o.fill(); err != nil {
		return err
	}
	nodesFile := filepath.Join("nodes", o.environment)
	files := map[string]string{file: o.yaml()}
	if o.inventory == "" {
		files[filepath.Join(o.site, nodesFile)] = o.nodesText()
	}
	var written []string
	for _, path := range []string{filepath.Join(o.site, nodesFile), file} {
		text, ok := files[path]
		if !ok {
			continue
		}
		if err := writeNew(path, text); err != nil {
			o.takeBack(written)
			return err
		}
		written = append(written, path)
	}
	// What was written is held against the same rules as everything else.
	if _, err := site.Load(o.site); err != nil {
		o.takeBack(written)
		return fmt.Errorf("what was given does not make a site, and nothing was written:\n%w", err)
	}
	if o.json {
		return o.printer.Object(map[string]any{"written": written})
	}
	for _, path := range written {
		o.printer.Line("wrote %s", path)
	}
	o.printer.Note("next:\n"+
		"  rollcall nodes %[1]s  # can every server be reached?\n"+
		"  rollcall plan %[1]s   # what would roll?\n"+
		"  rollcall roll %[1]s   # roll it", o.environment)
	return nil
}

func (o *initOptions) takeBack(paths []string) {
	for _, path := range paths {
		os.Remove(path)
	}
}

// fill asks for what the flags left open, where there is somebody to ask.
func (o *initOptions) fill() error {
	if o.git != "" && o.svn != "" {
		return rollcall.Errorf(rollcall.KindInvalid, "--git and --svn are both given").WithHint("a code is in one of them")
	}
	repository, branch := &o.git, "main"
	if o.svn != "" {
		repository, branch = &o.svn, "trunk"
	}
	questions := []struct {
		into     *string
		flag     string
		question string
		standard func() string
	}{
		{repository, "git", "Which git repository rolls? (a path or an address)", nil},
		{&o.code, "", "", func() string { return nameOf(*repository) }},
		{&o.branch, "branch", "Which of its branches?", func() string { return branch }},
		{&o.environment, "environment", "What is the environment called?", func() string { return "production" }},
		{&o.to, "to", "Into which folder on the servers?", func() string { return "/srv/" + o.code }},
	}
	asking := interactive() && !o.yes && !o.json
	for _, q := range questions {
		if *q.into != "" {
			continue
		}
		standard := ""
		if q.standard != nil {
			standard = q.standard()
		}
		if asking && q.question != "" {
			answer, err := o.ask(q.question, standard)
			if err != nil {
				return err
			}
			*q.into = answer
		} else {
			*q.into = standard
		}
		if *q.into == "" {
			return rollcall.Errorf(rollcall.KindInvalid, "the repository is not given").WithHint("give it with --%s", q.flag)
		}
	}
	if len(o.nodes) == 0 && o.inventory == "" {
		if !asking {
			return rollcall.Errorf(rollcall.KindInvalid, "the servers are not given").WithHint("give them with --nodes web1.example.com,web2.example.com or --inventory FILE")
		}
		answer, err := o.ask("Which servers? (names, with blanks between)", "")
		if err != nil {
			return err
		}
		o.nodes = strings.FieldsFunc(answer, func(r rune) bool { return r == ' ' || r == ',' })
		if len(o.nodes) == 0 {
			return rollcall.Errorf(rollcall.KindInvalid, "there must be one server at least")
		}
	}
	return nil
}

func (o *initOptions) ask(question, standard string) (string, error) {
	if standard != "" {
		question += " [" + standard + "]"
	}
	fmt.Fprint(o.printer.Err, question+" ")
	answer, err := o.in.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if answer = strings.TrimSpace(answer); answer == "" {
		answer = standard
	}
	return answer, nil
}

func nameOf(repository string) string {
	name := strings.TrimSuffix(strings.TrimRight(repository, "/"), ".git")
	name = name[strings.LastIndexAny(name, "/:")+1:]
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" || strings.Trim(name, "._-") == "" {
		return "site"
	}
	return name
}

// quoted writes a text so that YAML takes it for nothing else.
func quoted(text string) string {
	if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/@-") == "" && strings.ContainsAny(text, "abcdefghijklmnopqrstuvwxyz/") && text[0] != '-' && text[0] != '@' {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'"
}

func (o *initOptions) yaml() string {
	var b strings.Builder
	key, address := "git", o.git
	if o.svn != "" {
		key, address = "svn", o.svn
	}
	fmt.Fprintf(&b, "code:\n  %s:\n    %s: %s\n    production: %s\n\n", o.code, key, quoted(address), quoted(o.branch))
	fmt.Fprintf(&b, "environments:\n  %s:\n    nodes: %s\n    to: %s\n", o.environment, quoted(o.nodesPath()), quoted(o.to))
	if o.health != "" || o.inventory == "" {
		b.WriteString("    tiers:\n      web:\n        batch: [1, 25%]\n")
		if o.health != "" {
			fmt.Fprintf(&b, "        verify:\n          - http: %s\n            within: 10s\n", quoted(o.health))
		} else {
			b.WriteString("        # activate: sudo systemctl reload php8.2-fpm\n        # verify:\n        #   - http: http://{address}/health\n        #     within: 10s\n")
		}
	}
	if o.user != "" && o.inventory != "" {
		fmt.Fprintf(&b, "\nssh: {user: %s}\n", quoted(o.user))
	}
	return b.String()
}

func (o *initOptions) nodesPath() string {
	if o.inventory == "" {
		return "nodes/" + o.environment
	}
	if abs, err := filepath.Abs(o.inventory); err == nil {
		if dir, err := filepath.Abs(o.site); err == nil {
			if rel, err := filepath.Rel(dir, abs); err == nil {
				return rel
			}
		}
	}
	return o.inventory
}

func (o *initOptions) nodesText() string {
	text := "# Rolled from top to bottom; a section is a tier.\n[web]\n" + strings.Join(o.nodes, "\n") + "\n"
	if o.user != "" {
		text += "\n[web:vars]\nuser=" + o.user + "\n"
	}
	return text
}

// writeNew writes a file that is not there yet.
func writeNew(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, os.ErrExist) {
		return rollcall.Errorf(rollcall.KindConflict, "%s is there already", path).WithHint("move it away, or write rollcall.yaml by hand")
	}
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}
