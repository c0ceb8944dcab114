package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/rollcall-dev/rollcall/internal/demo"
)

// writeSite writes the folder that the demo's commands are run in.
func (w *walk) writeSite() error {
	nodes := nodesOf(demo.TierCDN, w.fleet.Tier(demo.TierCDN)) + "\n" + nodesOf(demo.TierApp, w.fleet.Tier(demo.TierApp))
	text := fmt.Sprintf(`code:
  www:
    git: %s
    trunk: %s
    production: %s
    build: %s            # names assets by their content
    checks:
      - name: page format
        files: ["pages/*.html"]
        sh: |
          head -n 1 "$ROLLCALL_FILE" | grep -q '^<main' || { echo "does not begin with <main"; exit 1; }
          tail -n 1 "$ROLLCALL_FILE" | grep -q '^</main>$' || { echo "does not end with </main>"; exit 1; }
      - name: settings
        files: ["config/*.conf"]
        sh: |
          ! grep -nEv '^(#.*|[a-z]+ = .+)?$' "$ROLLCALL_FILE"

environments:
  staging:
    from: candidate                 # what is on the desk
    nodes: nodes/staging
    to: %[5]s/nodes/{name}/srv/www
    tiers:
      web:
        verify: [{http: "http://{address}:{web}/health", within: 10s}]
  production:
    nodes: nodes/production
    to: %[5]s/nodes/{name}/srv/www
    tiers:
      cdn:
        keep_old_files: {files: [assets/, img/], for: 1h}
        verify: [{http: "http://{address}:{web}/health", within: 10s}]
      app:
        batch: [1, 50%%]
        verify: [{http: "http://{address}:{web}/health", within: 2s}]
        soak: 800ms # only so that there is something to watch

ssh: {user: %[6]s, key_file: keys/deploy, known_hosts: %[7]s}
`, w.story.Repository, demo.Trunk, demo.Production, demo.BuildCommand, w.fleet.Dir, demo.User, filepath.Base(w.fleet.KnownHosts))
	if err := os.MkdirAll(filepath.Join(w.site, "nodes"), 0o755); err != nil {
		return err
	}
	for name, content := range map[string]string{
		"nodes/production": nodes,
		"nodes/staging":    nodesOf(w.fleet.Staging.Tier, []*demo.Node{w.fleet.Staging}),
		"rollcall.yaml":    text,
	} {
		if err := os.WriteFile(filepath.Join(w.site, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// nodesOf is a section of a nodes file.
func nodesOf(tier string, nodes []*demo.Node) string {
	text := "[" + tier + "]\n"
	for _, n := range nodes {
		text += fmt.Sprintf("%s  ansible_host=127.0.0.1 port=%d web=%d\n", n.Name, n.SSHPort, n.WebPort)
	}
	return text
}
