package node

import (
	"encoding/json"
	"fmt"
	"path"

	"github.com/rollcall-dev/rollcall"
	"github.com/rollcall-dev/rollcall/internal/wire"
)

// parseRequest reads a request and checks every name in it: whoever holds the key
// must still not reach beyond the folder.
func parseRequest(body []byte) (*wire.Request, error) {
	var q wire.Request
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	if !path.IsAbs(q.Folder) || path.Clean(q.Folder) != q.Folder || q.Folder == "/" {
		return nil, fmt.Errorf("request: %q is not a clean absolute folder", q.Folder)
	}
	ids := []rollcall.ReleaseID{q.Release}
	var links []string
	switch q.Verb {
	case wire.VerbReceive:
		if q.Receive == nil {
			return nil, fmt.Errorf("request: receive without its part")
		}
		ids = append(ids, q.Receive.Base)
		links = q.Receive.Link
	case wire.VerbSwitch:
		if q.Switch == nil {
			return nil, fmt.Errorf("request: switch without its part")
		}
		ids = append(ids, q.Switch.From)
	case wire.VerbRun:
		if q.Run == nil || len(q.Run.Command.Args) == 0 && q.Run.Command.Shell == "" {
			return nil, fmt.Errorf("request: run without a command")
		}
	case wire.VerbClean:
		if q.Clean == nil {
			return nil, fmt.Errorf("request: clean without its part")
		}
		ids = append(ids, q.Clean.Always...)
	case wire.VerbAudit:
		if q.Audit == nil {
			return nil, fmt.Errorf("request: audit without its part")
		}
		links = q.Audit.Link
	}
	for _, link := range links {
		if err := rollcall.CheckPath(path.Clean(link)); err != nil {
			return nil, fmt.Errorf("request: link: %w", err)
		}
	}
	for _, id := range ids {
		if id != "" && !id.Valid() {
			return nil, fmt.Errorf("request: %q is no release", id)
		}
	}
	if q.Release == "" && (q.Verb == wire.VerbReceive || q.Verb == wire.VerbManifest) {
		return nil, fmt.Errorf("request: %s without a release", q.Verb)
	}
	return &q, nil
}
