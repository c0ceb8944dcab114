package proc

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-dev/rollcall"
)

func run(t *testing.T, c rollcall.Command, env map[string]string) (rollcall.Output, error) {
	t.Helper()
	return Run(t.Context(), t.TempDir(), c, env)
}

func TestWhatIsRunAndKept(t *testing.T) {
	out, err := run(t, rollcall.Command{Args: []string{"printf", "%s|", "a b", "$X", ""}}, nil)
	if err != nil || out.Text != "a b|$X||" {
		t.Errorf("words: %+v, %v", out, err)
	}
	out, err = run(t, rollcall.Command{Shell: "echo $X; exit 3"}, map[string]string{"X": "y"})
	if err != nil || out.Text != "y\n" || out.Exit != 3 {
		t.Errorf("a shell: %+v, %v", out, err)
	}
	out, err = run(t, rollcall.Command{Shell: "yes | head -c 100000; echo end"}, nil)
	if err != nil || len(out.Text) > outputLimit || !strings.HasSuffix(out.Text, "end\n") {
		t.Errorf("the end of much: %d bytes, %v", len(out.Text), err)
	}
	if _, err = run(t, rollcall.Command{Args: []string{"no-such-program"}}, nil); rollcall.KindOf(err) != rollcall.KindFailed || rollcall.HintOf(err) == "" {
		t.Errorf("what is not there: %v", err)
	}
}

// What a command leaves running does not outlive its time, and a person's wish to end
// is told as such.
func TestTheWholeGroupEnds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	_, err := run(t, rollcall.Command{Shell: "sleep 100 & echo $! > " + file + "; wait", Timeout: 200 * time.Millisecond}, nil)
	if rollcall.KindOf(err) != rollcall.KindFailed || !strings.Contains(err.Error(), "did not end within") {
		t.Fatalf("it ended with %v", err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for late := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		state, err := os.ReadFile("/proc/" + strings.TrimSpace(string(b)) + "/stat")
		if err != nil || strings.Contains(string(state), ") Z") {
			break
		}
		if time.Now().After(late) {
			t.Fatal("its child still runs")
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := rollcall.Errorf(rollcall.KindStopped, "enough")
	cancel(why)
	if _, err := Run(ctx, t.TempDir(), rollcall.Command{Args: []string{"sleep", "100"}}, nil); rollcall.KindOf(err) != rollcall.KindStopped {
		t.Errorf("cancelled: %v", err)
	}
}
