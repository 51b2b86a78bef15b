//go:build unix

package source

import (
	"os"
	"syscall"
)

// fileNumbers returns the device and the inode of a file; zeros for one that
// has none.
func fileNumbers(info os.FileInfo) (device, inode uint64) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0
	}
	return uint64(stat.Dev), uint64(stat.Ino) //nolint:unconvert // their types differ between systems
}
