package postgres

import (
	"maps"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"pgregory.net/rapid"
)

// TestHeldRows compares what is held for a table with a map.
func TestHeldRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := newTable(pgx.Identifier{"t"}, "id")
		id, n := table.fixed("id", text, true), table.fixed("n", count, false)
		held, gone := map[string]int64{}, map[string]bool{}
		for i := range rapid.IntRange(0, 40).Draw(t, "steps") {
			key := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "key")
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1:
				table.withdraw(key)
				gone[key] = true
				delete(held, key)
			case 2:
				id.setText(table.row(key), key) // n stays null, also in the place of another
				held[key] = -1
				delete(gone, key)
			default:
				row := table.row(key)
				id.setText(row, key)
				n.setInt(row, int64(i))
				held[key] = int64(i)
				delete(gone, key)
			}
		}
		got := map[string]int64{}
		ids, numbers := id.array(0, len(table.ids)).(pgtype.FlatArray[pgtype.Text]), n.array(0, len(table.ids)).(pgtype.FlatArray[pgtype.Int8])
		for i := range ids {
			if got[ids[i].String] = numbers[i].Int64; !numbers[i].Valid {
				got[ids[i].String] = -1
			}
		}
		if !maps.Equal(got, held) || len(ids) != len(held) {
			t.Errorf("%v is held, want %v", got, held)
		}
		if got := withdrawn(table.gone); !slices.Equal(got, slices.Sorted(maps.Keys(gone))) {
			t.Errorf("%v is withdrawn, want %v", got, gone)
		}
		if table.bytes <= 0 && len(held)+len(gone) > 0 {
			t.Errorf("%d bytes are held", table.bytes)
		}
		table.clear()
		if len(table.ids)+len(table.gone)+len(table.at)+table.bytes != 0 {
			t.Error("something is left")
		}
	})
}

func TestCleanJSON(t *testing.T) {
	for in, want := range map[string]string{
		``: ``, `"a\u0000b"`: "\"a\ufffdb\"", `"\\u0000"`: `"\\u0000"`, `"\\\u0000\n"`: "\"\\\\\ufffd\\n\"",
		`["\u0000","\u0001"]`: "[\"\ufffd\",\"\\u0001\"]", "\"\xff\"": "\"\ufffd\"", `\u0000\`: "\ufffd\\",
	} {
		if got := cleanJSON([]byte(in)); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
