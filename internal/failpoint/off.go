//go:build !failpoint

package failpoint

// At does nothing.
func At(string) {}

// Planted is false.
func Planted(string) bool { return false }
