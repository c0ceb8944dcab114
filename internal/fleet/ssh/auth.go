package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/rollcall-dev/rollcall"
)

// auth gathers the keys to offer: those of the agent and those in files. Nothing is
// ever asked at the keyboard.
func (s *settings) auth() (methods []ssh.AuthMethod, closeAgent func(), err error) {
	closeAgent = func() {}
	var signers []ssh.Signer
	var locked []string
	var public [][]byte
	for _, file := range s.keyFiles {
		found, err := readKey(file)
		var missing *ssh.PassphraseMissingError
		switch {
		case errors.As(err, &missing):
			locked = append(locked, file)
			if missing.PublicKey != nil {
				public = append(public, missing.PublicKey.Marshal())
			}
		case errors.Is(err, os.ErrNotExist):
			if b, err := os.ReadFile(file + ".pub"); err == nil { // the agent has the rest
				if key, _, _, _, err := ssh.ParseAuthorizedKey(b); err == nil {
					public = append(public, key.Marshal())
				}
			}
			if !s.personal && len(s.keyFiles) == 1 {
				return nil, nil, rollcall.Errorf(rollcall.KindInvalid, "the key file %s does not exist", file).
					WithHint("look at ssh: key_file: in rollcall.yaml")
			}
		case err != nil:
			if !s.personal {
				return nil, nil, rollcall.Errorf(rollcall.KindInvalid, "read the key file %s: %w", file, err)
			}
		default:
			signers = append(signers, found...)
			for _, one := range found {
				public = append(public, one.PublicKey().Marshal())
			}
		}
	}
	if s.agent != "" {
		if conn, err := net.Dial("unix", s.agent); err == nil {
			closeAgent = func() { conn.Close() }
			if held, err := agent.NewClient(conn).Signers(); err == nil {
				for _, one := range held {
					if !s.onlyKeys || slices.ContainsFunc(public, func(b []byte) bool { return bytes.Equal(b, one.PublicKey().Marshal()) }) {
						signers = append(signers, one)
					}
				}
			}
		}
	}
	if len(signers) == 0 {
		closeAgent()
		e := rollcall.Errorf(rollcall.KindUnreachable, "there is no key to log in with")
		e.Hint = "make one with ssh-keygen and name it in ssh: key_file:, or load one with ssh-add"
		if len(locked) > 0 {
			e.Hint = fmt.Sprintf("%s has a passphrase; load it first: ssh-add %s", locked[0], locked[0])
		}
		return nil, nil, e
	}
	return []ssh.AuthMethod{ssh.PublicKeys(signers...)}, closeAgent, nil
}

// readKey reads a private key, and the certificate beside it where there is one.
func readKey(file string) ([]ssh.Signer, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(b)
	if err != nil {
		return nil, err
	}
	signers := []ssh.Signer{signer}
	if b, err := os.ReadFile(file + "-cert.pub"); err == nil {
		key, _, _, _, err := ssh.ParseAuthorizedKey(b)
		if err != nil {
			return nil, fmt.Errorf("%s-cert.pub: %w", file, err)
		}
		if cert, ok := key.(*ssh.Certificate); ok {
			if with, err := ssh.NewCertSigner(cert, signer); err == nil {
				signers = []ssh.Signer{with, signer}
			}
		}
	}
	return signers, nil
}
