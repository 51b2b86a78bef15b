// Package deploy is a folder of files for those who run processors: a Grafana
// dashboard, rules for Prometheus. It has no code; its tests hold the files
// against each other, against the runbooks, and against real servers.
package deploy
