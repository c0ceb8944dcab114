package sqlite

import (
	"context"
	"path/filepath"
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
