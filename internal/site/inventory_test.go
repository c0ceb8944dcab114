package site

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func inventories(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/inventories/*.ini")
	if err != nil || len(files) == 0 {
		t.Fatalf("no inventories: %v", err)
	}
	return files
}

func readInventory(t *testing.T, file string) *Inventory {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	inv, mistakes := ParseInventory(filepath.Base(file), text)
	if len(mistakes) > 0 {
		t.Fatalf("%s has mistakes:\n%v", file, mistakes)
	}
	return inv
}

func TestInventories(t *testing.T) {
	for _, file := range inventories(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			got := dump(readInventory(t, file))
			golden := strings.TrimSuffix(file, ".ini") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("read otherwise than %s (-want +got):\n%s", golden, diff)
			}
		})
	}
}

// dump tells what rolls in which order, what each section stands for, and every host's variables.
func dump(inv *Inventory) string {
	var b strings.Builder
	b.WriteString("rolls where no tiers are named:\n")
	for _, s := range inv.Rolling() {
		fmt.Fprintf(&b, "  %s: %s\n", s.Name, strings.Join(hostNames(s.Entries), " "))
	}
	b.WriteString("sections:\n")
	for _, s := range inv.Sections {
		fmt.Fprintf(&b, "  %d:%d %s: %s\n", s.Line, s.Column, s.Name, strings.Join(hostNames(inv.Entries(s)), " "))
	}
	b.WriteString("hosts:\n")
	for _, h := range inv.Hosts {
		b.WriteString("  " + h.Name + "\n")
		vars := inv.Vars(h)
		var lines []string
		for name, v := range vars {
			lines = append(lines, fmt.Sprintf("    %s=%s (%s at %d:%d)\n", name, v.Value, v.Key, v.Line, v.Column))
		}
		slices.Sort(lines)
		b.WriteString(strings.Join(lines, ""))
	}
	return b.String()
}

func hostNames(entries []Entry) []string {
	var names []string
	for _, e := range entries {
		names = append(names, e.Host.Name)
	}
	return names
}

// TestAnsibleAgrees asks Ansible itself about the same files.
func TestAnsibleAgrees(t *testing.T) {
	program, err := exec.LookPath("ansible-inventory")
	if err != nil {
		t.Skip("needs ansible-inventory")
	}
	for _, file := range inventories(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			inv := readInventory(t, file)
			out, err := exec.Command(program, "-i", file, "--list").Output()
			if err != nil {
				t.Fatal(err)
			}
			var theirs map[string]struct {
				Hosts    []string
				Children []string
				Hostvars map[string]map[string]any
			}
			if err := json.Unmarshal(out, &theirs); err != nil {
				t.Fatal(err)
			}
			for _, s := range inv.Sections {
				if s.Name == allSection {
					continue
				}
				if diff := cmp.Diff(theirs[s.Name].Hosts, hostNames(s.Hosts)); diff != "" {
					t.Errorf("hosts of %s (-ansible +rollcall):\n%s", s.Name, diff)
				}
				var children []string
				for _, child := range s.Children {
					children = append(children, child.Name)
				}
				// Ansible puts a child that is declared below its parent last; here the
				// list under [name:children] is the order.
				slices.Sort(children)
				slices.Sort(theirs[s.Name].Children)
				if diff := cmp.Diff(theirs[s.Name].Children, children); diff != "" {
					t.Errorf("children of %s (-ansible +rollcall):\n%s", s.Name, diff)
				}
			}
			for _, h := range inv.Hosts {
				compareVars(t, h.Name, theirs["_meta"].Hostvars[h.Name], inv.Vars(h))
			}
		})
	}
}

// compareVars compares what both have as texts: Ansible makes Python values of some.
func compareVars(t *testing.T, host string, theirs map[string]any, ours map[string]*Var) {
	t.Helper()
	seen := map[string]bool{}
	for _, v := range ours {
		name := v.Key
		if name == "host:port" {
			name = "ansible_port"
		}
		seen[name] = true
		switch their := theirs[name].(type) {
		case nil:
			t.Errorf("%s: ansible has no %s", host, name)
		case string, float64:
			value := v.Value
			if name == "banner" {
				value += " # comment in the line" // the difference that ParseInventory tells of
			}
			if fmt.Sprint(their) != value {
				t.Errorf("%s: ansible has %s=%v, not %s", host, name, their, value)
			}
		}
	}
	for name := range theirs {
		if !seen[name] {
			t.Errorf("%s: only ansible has %s", host, name)
		}
	}
}
