package ssh

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/rollcall-dev/rollcall"
)

// binFolder is where rollcall-node is, beneath the user's home.
const binFolder = ".rollcall/bin"

// install puts rollcall-node on the node: beside its name first, and by rename once it
// is whole, so that nodes that share a home do not disturb each other.
func (t *Transport) install(ctx context.Context, client *ssh.Client) error {
	ctx, cancel := context.WithTimeout(ctx, installLimit)
	defer cancel()
	platform, err := probe(ctx, client)
	if err != nil {
		return err
	}
	binary, err := t.config.Content(ctx, platform)
	if err != nil {
		return err
	}
	name, err := t.name()
	if err != nil {
		return err
	}
	tmp := binFolder + "/.new-" + rand.Text()
	// A connection that breaks ends the input early, which must not look like success.
	// Binaries that nobody has touched for long go; whoever needs one puts it back.
	script := fmt.Sprintf(`mkdir -p %[1]s && cat > %[2]s && [ "$(wc -c < %[2]s)" -eq %[3]d ] && chmod 755 %[2]s && mv -f %[2]s %[1]s/%[4]s || { rm -f %[2]s; exit 1; }; `+
		`find %[1]s -name "rollcall-node-*" ! -name %[4]s -mtime +30 -exec rm -f {} + 2>/dev/null; true`,
		binFolder, tmp, len(binary), name)
	if _, err := shell(ctx, client, script, bytes.NewReader(binary)); err != nil {
		if connectionEnded(err) {
			return fmt.Errorf("put rollcall-node into ~/%s: the connection ended: %w", binFolder, err)
		}
		return &rollcall.Error{
			Kind: rollcall.KindBroken, Op: "put rollcall-node into ~/" + binFolder, Err: err,
			Hint: "look whether the user's home is there, writable, not full and not mounted noexec",
		}
	}
	return nil
}

func probe(ctx context.Context, client *ssh.Client) (string, error) {
	out, err := shell(ctx, client, "uname -s -m", nil)
	if err != nil {
		return "", fmt.Errorf("ask for the platform: %w", err)
	}
	fields := strings.Fields(out)
	if len(fields) < 2 {
		return "", fmt.Errorf("ask for the platform: uname said %q", rollcall.Printable(out))
	}
	// What a shell's start files print comes before.
	system, machine := fields[len(fields)-2], fields[len(fields)-1]
	arch := map[string]string{"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}[machine]
	if system != "Linux" || arch == "" {
		return "", rollcall.Errorf(rollcall.KindBroken, "it is a %s on %s, and rollcall-node is made for Linux on amd64 and arm64",
			rollcall.Printable(system), rollcall.Printable(machine))
	}
	return "linux/" + arch, nil
}

// shell runs a fixed script. Only names that were made here are in it.
func shell(ctx context.Context, client *ssh.Client, script string, in io.Reader) (string, error) {
	// A node that has frozen answers nothing, not even to a session's end.
	defer context.AfterFunc(ctx, func() { client.Close() })()
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	defer session.Close()
	var out bytes.Buffer
	var complaint stderr
	session.Stdin, session.Stdout, session.Stderr = in, &out, &complaint
	if err := session.Run("exec /bin/sh -c '" + script + "'"); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if said := strings.TrimSpace(complaint.String()); said != "" {
			return "", fmt.Errorf("%s", rollcall.Printable(said))
		}
		return "", err
	}
	return out.String(), nil
}
