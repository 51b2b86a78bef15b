package kafkatest

import "syscall"

// dieWithParent ends a process with the test's, however that ends.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
