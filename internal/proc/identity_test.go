package proc

import (
	"os"
	"os/exec"
	"testing"
)

func TestWhoIsGone(t *testing.T) {
	me := Self()
	if me.Started == "" || me.Process != os.Getpid() || me.Gone() {
		t.Errorf("this process is %+v", me)
	}
	other := me
	other.Started = "1"
	if !other.Gone() {
		t.Error("its number is another's now, and it counts as there")
	}
	c := exec.Command("true")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	child := me
	child.Process, child.Started = c.Process.Pid, startOf(c.Process.Pid)
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	if !child.Gone() {
		t.Error("a process that has ended counts as there")
	}
	child.Host = "elsewhere"
	if child.Gone() {
		t.Error("of another host's nothing is certain")
	}
}
