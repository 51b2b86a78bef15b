package pgtest

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// ends are the ways of a server to end.
var ends = map[string]func(*Server){"kill": (*Server).Kill, "quit": (*Server).Quit, "stop": (*Server).Stop, "restart": func(*Server) {}}

func TestServerKeepsItsData(t *testing.T) {
	s := Start(t)
	db := s.NewDatabase(t)
	Exec(t, db, "create table a (name text primary key, at timestamptz)")
	want := []string{}
	for name, end := range ends {
		Exec(t, db, "insert into a values ('"+name+"', '2026-01-02 03:04:05.5+01')")
		want = append(want, name)
		end(s)
		s.Restart(t)
	}
	slices.Sort(want)
	var got []string
	for _, row := range Query(t, db, "select name, at, null from a order by 1") {
		if row[1] != "2026-01-02T02:04:05.5Z" || row[2] != Null {
			t.Errorf("row %q", row)
		}
		got = append(got, row[0])
	}
	if !slices.Equal(got, want) {
		t.Errorf("it holds %v, want %v", got, want)
	}
}

func TestKilledServerTakesItsBackendsWithIt(t *testing.T) {
	for name, c := range map[string]struct {
		end     func(*Server)
		goodbye bool
	}{"kill": {(*Server).Kill, false}, "quit": {(*Server).Quit, true}} {
		t.Run(name, func(t *testing.T) {
			s := Start(t)
			config, err := pgx.ParseConfig(s.URL())
			if err != nil {
				t.Fatal(err)
			}
			told := false
			config.OnNotice = func(*pgconn.PgConn, *pgconn.Notice) { told = true }
			conn, err := pgx.ConnectConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.Background())
			answer := make(chan error, 1)
			go func() {
				_, err := conn.Exec(context.Background(), "select pg_sleep(600)")
				answer <- err
			}()
			for Query(t, s.URL(), "select state from pg_stat_activity where pid = $1", conn.PgConn().PID())[0][0] != "active" {
				time.Sleep(5 * time.Millisecond)
			}
			c.end(s)
			if s.process.Running() {
				t.Error("it runs")
			}
			if err := <-answer; err == nil {
				t.Error("a connection outlives the server")
			}
			if told != c.goodbye {
				t.Errorf("its client is told: %v, want %v", told, c.goodbye)
			}
		})
	}
}

func TestPausedServerIsSilent(t *testing.T) {
	s := Start(t)
	conn, err := pgx.Connect(t.Context(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	s.Pause()
	answer := make(chan error, 1)
	go func() { answer <- conn.Ping(context.Background()) }()
	select {
	case err := <-answer:
		t.Errorf("a paused server answers %v", err)
	case <-time.After(200 * time.Millisecond):
		s.Continue()
		if err := <-answer; err != nil {
			t.Errorf("a server that goes on says %v", err)
		}
	}
}

func TestPausedServerCanBeEnded(t *testing.T) {
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			s := Start(t)
			s.Pause()
			end(s)
			s.Restart(t)
			Exec(t, s.URL(), "select 1")
		})
	}
}

func TestPasswordIsNeeded(t *testing.T) {
	s := Shared(t)
	_, err := pgx.Connect(t.Context(), strings.Replace(s.URL(), Password, "another", 1))
	if err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("with another password: %v", err)
	}
	if s != Shared(t) {
		t.Error("there is more than one shared server")
	}
	if a, b := s.NewDatabase(t), s.NewDatabase(t); a == b {
		t.Errorf("two databases are called %s", a)
	}
}

func TestTLS(t *testing.T) {
	s := Start(t, TLS(), Durable(), Setting("work_mem=5MB"))
	if got := Query(t, s.URL(), "select ssl from pg_stat_ssl where pid = pg_backend_pid()"); got[0][0] != "true" {
		t.Errorf("the connection has TLS: %v", got)
	}
	if got := Query(t, s.URL(), "select current_setting('fsync'), current_setting('work_mem')"); !slices.Equal(got[0], []string{"on", "5MB"}) {
		t.Errorf("settings are %v", got)
	}
	open, _, _ := strings.Cut(s.URL(), "?")
	if _, err := pgx.Connect(t.Context(), open+"?sslmode=disable"); err == nil {
		t.Error("it accepts a connection without TLS")
	}
}

// BenchmarkStart is how long tests wait for a server.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		s, err := Run()
		if err != nil {
			missing(b, err)
		}
		s.Close()
	}
}
