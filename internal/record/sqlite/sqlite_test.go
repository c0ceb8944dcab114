package sqlite

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/record/recordtest"
)

func TestRecord(t *testing.T) {
	recordtest.Run(t, func(t *testing.T) recordtest.Opener {
		path := filepath.Join(t.TempDir(), "a folder? #1", "record.db")
		return func(t *testing.T) rollcall.Record {
			r, err := Open(context.Background(), path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close() })
			return r
		}
	})
}

func TestNewerRecordIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	r, err := Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.db.Exec(`PRAGMA user_version = 99`); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if _, err := Open(context.Background(), path); rollcall.KindOf(err) != rollcall.KindInvalid {
		t.Errorf("Open = %v", err)
	}
}

func TestLockedRecordSaysWhatToDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	var records [2]*Record
	for i := range records {
		r, err := Open(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		records[i] = r
	}
	stopped, err := records[0].db.Begin() // as by a process that is stopped now
	if err != nil {
		t.Fatal(err)
	}
	defer stopped.Rollback()
	records[1].db.SetMaxOpenConns(1)
	if _, err := records[1].db.Exec(`PRAGMA busy_timeout = 50`); err != nil {
		t.Fatal(err)
	}
	_, err = records[1].Append(context.Background(), "env/x", 0, rollcall.NewEvent("x", 1))
	if err == nil || !strings.Contains(rollcall.HintOf(err), "fuser -v "+path) {
		t.Errorf("Append = %v, hint %q", err, rollcall.HintOf(err))
	}
}
