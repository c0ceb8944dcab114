package svn

import (
	"os"
	"path/filepath"
	"testing"
)

func TestHostSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "servers")
	text := "# http-proxy-host = no\n[groups]\nx = *.example.com\nhttp-proxy-host = group\n[global]\n" +
		"http-proxy-host=proxy\nssl-authority-files = /a.pem;/b.pem\nssl-client-cert-password = secret\nstore-passwords = yes\nssl-pkcs11-provider = evil\n[x]\nhttp-proxy-port = 7\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := hostSettings(file), "http-proxy-host = proxy\nssl-authority-files = /a.pem;/b.pem\n"; got != want {
		t.Errorf("taken over: %q, want %q", got, want)
	}
	if got := hostSettings(filepath.Join(t.TempDir(), "none")); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}
