package simtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/llm-optimizer/processor/pipeline"
	"github.com/llm-optimizer/processor/query"
)

func TestMain(m *testing.M) {
	flag.Parse()
	set("rapid.nofailfile", "true")
	if checks := os.Getenv("SIMTEST_CHECKS"); checks != "" {
		set("rapid.checks", checks)
	}
	goleak.VerifyTestMain(m)
}

func set(name, value string) {
	if err := flag.Set(name, value); err != nil {
		fmt.Fprintf(os.Stderr, "flag %s: %v\n", name, err)
		os.Exit(2)
	}
}

// patience is far more than any run here takes: who waits longer hangs.
const patience = time.Minute

// fataler is what a test and a property have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func execute(t fataler, spec pipeline.Spec, about ...fmt.Stringer) *Run {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	run, err := Execute(ctx, spec)
	if err == nil && ctx.Err() != nil {
		err = errors.New("did not end")
	}
	if err != nil {
		t.Fatalf("run: %v\n%v", err, about)
	}
	return run
}

func queryNames(queries []query.Query) []string {
	var all []string
	for _, q := range queries {
		all = append(all, q.Name)
	}
	return all
}

// few makes a property that takes long try a twentieth of the checks.
func few(t *testing.T) *testing.T {
	t.Helper()
	all := flag.Lookup("rapid.checks").Value.String()
	n, err := strconv.Atoi(all)
	if err != nil {
		t.Fatal(err)
	}
	if err := flag.Set("rapid.checks", strconv.Itoa(max(n/20, 1))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := flag.Set("rapid.checks", all); err != nil {
			t.Error(err)
		}
	})
	return t
}
