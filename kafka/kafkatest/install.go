package kafkatest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// version is of the broker; scripts/kafka/pom.xml names it too.
const version = "4.3.1"

// installed returns the folder of the broker's jars, or why there is none.
func installed() (string, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return "", fmt.Errorf("java is not installed")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "processor", "kafka-"+version)
	if _, err := os.Stat(filepath.Join(dir, "kafka_2.13-"+version+".jar")); err != nil {
		return "", fmt.Errorf("kafka %s is not in %s: scripts/servers.sh puts it there", version, dir)
	}
	return dir, nil
}
