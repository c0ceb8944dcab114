package node

import (
	"errors"
	"io/fs"
	"os/user"
	"syscall"

	"github.com/rollcall-dev/rollcall"
)

// explain makes of a fault of the operating system an error that tells what to do.
func explain(err error) error {
	var known *rollcall.Error
	if errors.As(err, &known) {
		return err
	}
	e := &rollcall.Error{Kind: rollcall.KindBroken, Err: err}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		e.Hint = "its disk is full (or out of inodes): free some space there"
	case errors.Is(err, syscall.EDQUOT):
		e.Hint = "its user's quota is used up"
	case errors.Is(err, syscall.EROFS):
		e.Hint = "its file system is mounted read-only; look at dmesg there"
	case errors.Is(err, fs.ErrPermission):
		e.Hint = "give the folder to the user that rolls there: sudo install -d -o " + userName() + " FOLDER"
	case errors.Is(err, syscall.EIO):
		e.Hint = "its disk is failing; look at dmesg there"
	}
	return e
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "USER"
}
