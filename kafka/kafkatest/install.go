package kafkatest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// version is of the broker; scripts/servers.sh and scripts/kafka/pom.xml name
// it too.
const version = "4.3.1"

// ErrMissing says that no broker is installed.
var ErrMissing = errors.New("no kafka broker is installed")

// installed returns the folder of the broker's jars, or why there is none.
func installed() (string, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return "", fmt.Errorf("there is no java: %w (scripts/servers.sh installs it)", err)
	}
	// As in the script, on every system.
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(home, ".cache")
	}
	dir := filepath.Join(cache, "processor", "kafka-"+version)
	if _, err := os.Stat(filepath.Join(dir, "kafka_2.13-"+version+".jar")); err != nil {
		return "", fmt.Errorf("kafka %s is not in %s: scripts/servers.sh puts it there", version, dir)
	}
	return dir, nil
}
