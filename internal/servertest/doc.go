// Package servertest is what the packages that start servers for tests have in
// common: processes that end with ours, folders, ports and certificates. It
// needs a Unix; all it does stays on the loopback interface.
package servertest
