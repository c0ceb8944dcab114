package demo

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"os"

	gossh "golang.org/x/crypto/ssh"
)

// newClientKey makes the key that opens the nodes, writes its private half to file in
// OpenSSH's format, and returns its public half.
func newClientKey(file string) (gossh.PublicKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make the demo's key: %w", err)
	}
	block, err := gossh.MarshalPrivateKey(private, "rollcall demo")
	if err != nil {
		return nil, fmt.Errorf("cannot write down the demo's key: %w", err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, fmt.Errorf("cannot write the demo's key: %w", err)
	}
	public, err := gossh.NewPublicKey(private.Public())
	if err != nil {
		return nil, fmt.Errorf("cannot make the demo's public key: %w", err)
	}
	return public, nil
}

// newHostKey makes the key by which an ssh server is known.
func newHostKey() (gossh.Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make a host key: %w", err)
	}
	signer, err := gossh.NewSignerFromKey(private)
	if err != nil {
		return nil, fmt.Errorf("cannot use a new host key: %w", err)
	}
	return signer, nil
}
