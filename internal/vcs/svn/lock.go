package svn

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lock waits for other processes that use the same mirror. The kernel drops the lock of a
// process that dies.
func (r *Repository) lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(r.dir+".lock", os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the mirror: %w", err)
	}
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			return func() { f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for another process at the mirror: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
