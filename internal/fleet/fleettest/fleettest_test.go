package fleettest

import (
	"path/filepath"
	"testing"

	"github.com/rollcall-dev/rollcall"
)

func TestLocal(t *testing.T) {
	Run(t, func(t *testing.T) (rollcall.Transport, rollcall.Node) {
		return &Local{State: t.TempDir()}, rollcall.Node{Name: "n", Address: "localhost", Folder: filepath.Join(t.TempDir(), "srv")}
	})
}
