package fstest

// Class is a kind of call.
type Class int

// The classes. Any counts calls of all of them.
const (
	Any Class = iota
	Open
	Mkdir
	SyncDir
	Write
	Read
	Truncate
	Sync
	Stat
	Close
	classes
)

// Fault makes calls fail.
type Fault struct {
	Class Class
	// Call is which call of the class fails, from 1, counted from Inject.
	Call int
	// Forever makes all later calls of the class fail too.
	Forever bool
	Err     error
	// Short lets a write that fails write the first half.
	Short bool
	// Crash turns the power off instead: the call and all later ones, of any
	// class, return ErrPowerOff.
	Crash bool
}

// Inject sets the fault that calls meet from now on, instead of the last one.
func (f *FS) Inject(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.calls = &fault, [classes]int{}
}

// Calls is how many calls of a class there were since the last Inject, those
// that failed too.
func (f *FS) Calls(c Class) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[c]
}

// call counts a call and returns why it fails. The caller holds mu.
func (f *FS) call(c Class) error {
	if f.off {
		return ErrPowerOff
	}
	f.calls[c]++
	f.calls[Any]++
	t := f.fault
	if t == nil || t.Class != c && t.Class != Any {
		return nil
	}
	if n := f.calls[t.Class]; n < t.Call || n > t.Call && !t.Forever {
		return nil
	}
	if t.Crash {
		f.off = true
		return ErrPowerOff
	}
	return t.Err
}
