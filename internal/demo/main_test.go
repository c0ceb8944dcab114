package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// Of all tests: writing it takes longer than most of them.
	dir, err := os.MkdirTemp("", "rollcall-demo-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	written = sync.OnceValues(func() (*Story, error) { return WriteStory(context.Background(), dir) })
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}))
}

// written returns the story that tests read.
var written func() (*Story, error)

// startFleet starts a fleet in a folder of the test.
func startFleet(t *testing.T) *Fleet {
	t.Helper()
	f, err := Start(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return f
}

// built are the trees of the story that tests switch between: as it opens, with new carts
// and styles, with newer styles, and with the bad changeset.
var built = []string{"hours", Count, Buttons, Warehouse}

// checkouts returns a folder for each of built, to be read only.
func checkouts(t *testing.T) (folders []string) {
	t.Helper()
	story, err := written()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(filepath.Dir(story.Repository), "checkouts")
	for _, name := range built {
		folder := filepath.Join(root, name)
		folders = append(folders, folder)
		if _, err := os.Stat(folder); err == nil {
			continue
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		g := git{repository: story.Repository, index: folder + ".index"}
		if _, err := g.run(t.Context(), nil, "read-tree", story.Changeset(name).Commit); err != nil {
			t.Fatal(err)
		}
		if _, err := g.run(t.Context(), nil, "--work-tree="+folder, "checkout-index", "--all", "--prefix="+folder+"/"); err != nil {
			t.Fatal(err)
		}
		build := exec.CommandContext(t.Context(), "sh", buildScript)
		build.Dir = folder
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return folders
}

// stamp is what a built tree says of itself.
func stamp(t *testing.T, folder string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "RELEASE"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// within bounds what a test waits for.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// eventually asks until it is so, a little apart so that what is waited for gets the machine.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	for !so() {
		if sleep(ctx, 5*time.Millisecond); ctx.Err() != nil {
			t.Fatalf("not so in time: %s", what)
		}
	}
}

// ask is a visitor who keeps no connection.
func ask(t *testing.T, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}
