package node

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// listed is one name in a folder.
type listed struct {
	name  string
	key   string // name, with a slash behind a folder's: manifests have this order
	inode uint64
	kind  byte // unix.DT_REG and so on
}

// list reads an open folder, in the order of a manifest. buf is lent to it.
func list(folder int, buf []byte) ([]listed, error) {
	var all []listed
	for {
		n, err := unix.Getdents(folder, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		for b := buf[:n]; len(b) > 0; {
			length := binary.NativeEndian.Uint16(b[16:])
			one := listed{inode: binary.NativeEndian.Uint64(b), kind: b[18]}
			name, _, _ := bytes.Cut(b[19:length], []byte{0})
			b = b[length:]
			if len(name) == 0 || name[0] == '.' && (len(name) == 1 || len(name) == 2 && name[1] == '.') {
				continue
			}
			one.key = string(name) + "/"
			one.name = one.key[:len(name)]
			if one.kind == unix.DT_UNKNOWN {
				one.kind = kindOf(folder, one.name)
			}
			if one.kind != unix.DT_DIR {
				one.key = one.name
			}
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b listed) int { return strings.Compare(a.key, b.key) })
	return all, nil
}

// kindOf asks where a file system does not tell in its listings.
func kindOf(folder int, name string) byte {
	var s unix.Stat_t
	if unix.Fstatat(folder, name, &s, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return unix.DT_UNKNOWN
	}
	switch s.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return unix.DT_REG
	case unix.S_IFDIR:
		return unix.DT_DIR
	}
	return unix.DT_UNKNOWN
}
