package main

import (
	"context"
	"fmt"
	"os"
	"syscall"
)

// diskSize is only what the disk may grow to: its file is sparse.
const diskSize = 64 << 30

// freshDisk puts a new file system of its own below the nodes and the controller. On a
// shared one a sync waits for files of everybody else on the machine, and one without a
// journal, which virtual machines often have, is slow to make files where many were
// just removed, as they are between two runs.
func (s *stage) freshDisk(ctx context.Context) error {
	image, dir := s.path("disk.img"), s.path("disk")
	syscall.Unmount(dir, 0)
	os.Remove(image)
	file, err := os.Create(image)
	if err != nil {
		return err
	}
	if err := file.Truncate(diskSize); err != nil {
		return err
	}
	file.Close()
	// All tables are made now, not by the kernel meanwhile.
	if _, err := command(ctx, "/", "mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	loop, err := command(ctx, "/", "losetup", "--find", "--show", "--direct-io=on", image)
	if err != nil {
		return err
	}
	if err := syscall.Mount(loop, dir, "ext4", syscall.MS_NOATIME, ""); err != nil {
		return fmt.Errorf("mount %s: %w", loop, err)
	}
	// From now on it goes when it is unmounted, or with the namespace.
	_, err = command(ctx, "/", "losetup", "--detach", loop)
	return err
}
