package postgres

import (
	"os"
	"testing"

	"github.com/llm-optimizer/processor/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
