package app

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall/internal/check"
)

// TestRunChecks checks the tip of a site's code, and finds all of it kept the next time.
func TestRunChecks(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"rollcall.yaml": `
code:
  www:
    git: www
    checks:
      - {name: php syntax, files: ["*.php"], run: "php -n -l {file}"}
environments: {production: {to: /srv/www}}
`,
		"nodes/production": "app01\n",
		"www/good.php":     "<?php\n",
		"www/bad.php":      "<?php\necho (;\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range []string{"init -q -b main", "add -A", "-c user.name=Ada -c user.email=ada@example.com commit -q -m one"} {
		if out, err := exec.Command("git", append([]string{"-C", filepath.Join(dir, "www")}, strings.Fields(args)...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", args, err, out)
		}
	}
	ctx := context.Background()
	for _, wantRan := range []int{2, 0} {
		a, err := Open(ctx, Options{Site: dir})
		if err != nil {
			t.Fatal(err)
		}
		code := a.Site().Codes["www"]
		repo, err := a.repository(ctx, code, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		tip, err := repo.Tip(ctx, code.Production)
		if err != nil {
			t.Fatal(err)
		}
		progress := 0
		report, err := a.runChecks(ctx, check.Request{
			Code: code, Repo: repo, Tree: tip.Tree, All: true, Progress: func(int, int) { progress++ },
		})
		if err != nil {
			t.Fatal(err)
		}
		if report.Passed() || len(report.Failures) != 1 || report.Failures[0].Path != "bad.php" {
			t.Errorf("%+v", report.Failures)
		}
		if got := report.Checks[1]; got.Ran != wantRan || progress != wantRan {
			t.Errorf("%+v, told %d times", got, progress)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
