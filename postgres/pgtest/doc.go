// Package pgtest starts a real PostgreSQL server for tests, on a loopback port
// and with a folder of its own. PostgreSQL does not run as root: there it runs
// as the user postgres. A test is skipped by name where it is not installed.
package pgtest
