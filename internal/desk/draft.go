package desk

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/rollcall-dev/rollcall"
)

// draft is the file in which a conflict's text is edited. It stays until the conflict is
// decided or gone, whatever becomes of the editor and of this process.
func (d *Desk) draft(c rollcall.Conflict) string {
	return filepath.Join(d.drafts(), c.Fingerprint(), "merged"+filepath.Ext(c.Path))
}

func (d *Desk) drafts() string { return filepath.Join(d.Dir, "drafts", d.Name) }

// begun puts what somebody has edited already in the place of what an edit starts from.
func (d *Desk) begun(view *rollcall.ConflictView) error {
	if view.Marked == nil {
		return nil
	}
	view.Draft = d.draft(view.Conflict)
	text, err := os.ReadFile(view.Draft)
	if os.IsNotExist(err) || err == nil && string(text) == string(view.Marked) {
		return nil
	}
	view.Begun, view.Marked = true, text
	return err
}

// keepDrafts takes away what was edited for other conflicts than these. What a process that
// died leaves here harms nobody: it counts for the very same conflict only.
func (d *Desk) keepDrafts(conflicts []rollcall.Conflict) {
	folders, err := os.ReadDir(d.drafts())
	if err != nil {
		return // there is none
	}
	for _, folder := range folders {
		if !slices.ContainsFunc(conflicts, func(c rollcall.Conflict) bool { return c.Fingerprint() == folder.Name() }) {
			os.RemoveAll(filepath.Join(d.drafts(), folder.Name()))
		}
	}
}
