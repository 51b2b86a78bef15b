package servertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// helperFolder is set where this binary is to start a child and wait to be
// killed.
const helperFolder = "SERVERTEST_HELPER_FOLDER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperFolder); dir != "" {
		helper(dir)
		return
	}
	os.Exit(Main(m, func() {}))
}

func helper(dir string) {
	p, err := Start(exec.CommandContext(context.Background(), "sleep", "600"), dir+"/log")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.cmd.Process.Pid)
	<-p.done
}
