package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/llm-optimizer/processor/event"
	"github.com/llm-optimizer/processor/postgres/pgtest"
	"github.com/llm-optimizer/processor/result"
	"github.com/llm-optimizer/processor/secret"
	"github.com/llm-optimizer/processor/sink/sinktest"
)

// history is what an engine gives a sink, and what a table must hold after each
// epoch: rows by their key.
type history struct {
	sinktest.Outbox
	models []map[string]string
}

var modelQueries = []*result.Query{
	{Name: "a", Keys: []string{"model"}, Values: []string{"n", "cost"}, Functions: []result.Function{{Name: "count"}, {Name: "sum"}}, Seed: 1},
	{Name: "b", Keys: []string{"model", "tenant"}, Values: []string{"n", "last_error", "top"}, Functions: []result.Function{{Name: "count"}, {Name: "last"}, {Name: "top_k"}}, Seed: 2},
}

// newHistory makes firings, corrections and, if asked for, retractions of few
// windows.
func newHistory(r *rand.Rand, epochs int, keepAll, retract bool) *history {
	h := &history{models: []map[string]string{{}}}
	model := map[string]string{}
	firings := map[string]uint32{}
	withdrawn := map[string]bool{}
	for range epochs {
		e := sinktest.Epoch{Commit: r.IntN(4) > 0, Record: r.IntN(2) == 0}
		for range r.IntN(3) {
			b := &result.Batch{}
			for range r.IntN(12) {
				row := randomRow(r)
				window := string(row.WindowID(nil))
				if withdrawn[window] {
					continue
				}
				row.Firing = firings[window]
				firings[window]++
				if retract && row.Firing > 0 && r.IntN(4) == 0 {
					row.Timing, row.Values = result.Retract, nil
					withdrawn[window] = true
				}
				key := window
				if keepAll {
					key = fmt.Sprintf("%s-%d", window, row.Firing)
				}
				if model[key] = rowText(&row); row.Timing == result.Retract && !keepAll {
					delete(model, key)
				}
				b.Results = append(b.Results, row)
			}
			e.Rows = append(e.Rows, b)
		}
		h.Epochs = append(h.Epochs, e)
		h.models = append(h.models, maps.Clone(model))
	}
	return h
}

func randomRow(r *rand.Rand) result.Result {
	q := modelQueries[r.IntN(2)]
	start := int64(r.IntN(6)) * 12 * 3600e9
	row := result.Result{Query: q, Start: start, End: start + 60e9, Identity: start, Events: int64(r.IntN(100))}
	key := event.AppendKeyValue(nil, event.Text(fmt.Sprintf("model-%d", r.IntN(3))))
	row.Values = []event.Value{event.Int(r.Int64N(1000)), event.Float(r.Float64())}
	if len(q.Keys) == 2 {
		key = event.AppendKeyValue(key, event.Int(int64(r.IntN(2))))
		row.Values = []event.Value{event.Int(r.Int64N(1000)), event.Text("time out"), event.JSONValue(`[{"count": 1}]`)}
	}
	row.Key = string(key)
	return row
}

// rowText is a row of the model as readTable reads it.
func rowText(r *result.Result) string {
	n := "<null>"
	if r.Values != nil {
		n = string(r.Values[0].AppendJSON(nil))
	}
	return fmt.Sprintf("%s %d %s %s", r.Query.Name, r.Firing, r.Timing, n)
}

// readTable reads the table, and the epoch it is said to hold, at one moment.
func readTable(ctx context.Context, url, key string) (rows map[string]string, epoch int64, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, 0, err
	}
	defer conn.Close(context.Background())
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		return nil, 0, err
	}
	defer tx.Rollback(context.Background())
	if err := tx.QueryRow(ctx, "select coalesce(max(epoch), 0) from processor_epochs").Scan(&epoch); err != nil {
		return nil, 0, err
	}
	list, err := tx.Query(ctx, "select "+key+", format('%s %s %s %s', query, firing, timing, coalesce(n::text, '<null>')) from stats")
	if err != nil {
		return nil, 0, err
	}
	rows = map[string]string{}
	var id, row string
	_, err = pgx.ForEachRow(list, []any{&id, &row}, func() error {
		rows[id] = row
		return nil
	})
	return rows, epoch, err
}

// commitMessage is how a COMMIT looks on its way to the server.
const commitMessage = "commit\x00"

var errStop = errors.New("stop")

// faults are what may happen before any call of the sink.
type faults struct {
	srv   *pgtest.Server
	proxy *proxy
	r     *rand.Rand
	done  map[string]int
	// server says that the whole server may crash.
	server bool
}

func (f *faults) next(t *testing.T) func() error {
	return func() error {
		switch f.r.IntN(16) {
		case 0:
			f.done["crash"]++
			return errStop
		case 1, 2:
			f.proxy.cutAfter(f.r.IntN(2) == 0, 1+f.r.IntN(4000))
		case 3, 4:
			f.proxy.loseAnswer(commitMessage)
		case 5:
			f.done["terminate"]++
			run(t, f.srv.URL(), "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'processor/%'")
		case 6:
			if f.server && f.r.IntN(8) == 0 {
				f.done["server"]++
				f.srv.Restart(t)
			}
		}
		return nil
	}
}

// TestTheTableEqualsAModel runs random rows through random faults. At each
// moment the table holds exactly the epochs that its mark says.
func TestTheTableEqualsAModel(t *testing.T) {
	srv := pgtest.Start(t)
	kinds := map[string]func(*Sink){
		"replacing":        func(*Sink) {},
		"history":          func(s *Sink) { s.History = true },
		"spilling":         func(s *Sink) { s.spillAt = 2000 },
		"at once":          func(s *Sink) { s.AtOnce = true },
		"by day":           func(s *Sink) { s.PartitionBy = ByDay },
		"by day, spilling": func(s *Sink) { s.PartitionBy, s.History, s.spillAt = ByDay, true, 2000 },
	}
	rounds := 5
	if testing.Short() {
		rounds = 2
	}
	for name, change := range kinds {
		t.Run(name, func(t *testing.T) {
			f := &faults{srv: srv, done: map[string]int{}, server: true}
			for seed := range rounds {
				runModel(t, f, uint64(seed), change)
			}
			t.Logf("faults: %v", f.done)
			if f.done["cut"] == 0 || f.done["crash"] == 0 || f.done["terminate"] == 0 {
				t.Errorf("some faults never came to pass: %v", f.done)
			}
		})
	}
}

func runModel(t *testing.T, f *faults, seed uint64, change func(*Sink)) {
	r := rand.New(rand.NewPCG(seed, 1))
	run(t, f.srv.URL(), "drop schema public cascade", "create schema public")
	direct := f.srv.URL()
	f.proxy, f.r = newProxy(t, direct), r
	defer func() { f.done["cut"] += f.proxy.count() }()
	open := func() *Sink {
		s := &Sink{URL: secret.New(f.proxy.url(direct)), Table: "stats", Pipeline: "p", Name: "s"}
		change(s)
		if err := s.Describe(modelQueries); err != nil {
			t.Fatal(err)
		}
		return s
	}
	key := "window_id"
	if open().History {
		key = "id"
	}
	h := newHistory(r, 14, key == "id", open().PartitionBy == "")
	check := func() {
		rows, epoch, err := readTable(t.Context(), direct, key)
		if err == nil && !open().AtOnce && !maps.Equal(rows, h.models[epoch]) {
			t.Errorf("seed %d: after epoch %d the table is %v, want %v", seed, epoch, rows, h.models[epoch])
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var reader sync.WaitGroup
	reader.Go(func() {
		for ctx.Err() == nil {
			check()
		}
	})
	runFaulty(t, f, h, open)
	stop()
	reader.Wait()
	rows, _, err := readTable(t.Context(), direct, key)
	if err != nil {
		t.Fatal(err)
	}
	if want := h.models[len(h.models)-1]; !maps.Equal(rows, want) {
		t.Fatalf("seed %d: the table is %v, want %v", seed, rows, want)
	}
}

// runFaulty runs until a run gets to the end.
func runFaulty(t *testing.T, f *faults, h *history, open func() *Sink) {
	for try := range 100 {
		s := open()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		next := f.next(t)
		if try > 20 {
			f.proxy.calm()
			next = func() error { return nil }
		}
		err := h.Run(ctx, s, next)
		cancel()
		if s.link != nil && s.link.conn != nil {
			s.link.conn.PgConn().Conn().Close() // as a crash does
		}
		if err == nil {
			return
		}
		if !errors.Is(err, errStop) && s.spillAt == 0 {
			t.Fatalf("a run ends with %v", err)
		}
	}
	t.Fatal("no run gets to the end")
}
