package postgres

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/llm-optimizer/processor/sink"
)

// place is the sink's row in the epoch table: which epoch the tables hold whole,
// and which process may write. Every transaction locks it first.
type place struct {
	table          *table
	pipeline, sink string
	// instance is this run of the sink, holder who it is, for people.
	instance pgtype.UUID
	holder   string
	// row is the row as this run has found or left it; its Instance is not
	// valid if there is none.
	row placeRow
	// adopt is the mark to take over with.
	adopt *sink.Mark
}

// placeRow is the row without its key.
type placeRow struct {
	// Incarnation and Epoch are the mark; they are not valid before the first.
	Incarnation pgtype.UUID
	Epoch       pgtype.Int8
	// Commits counts the marks: it tells whether a commit came to pass whose
	// answer was lost.
	Commits int64
	// Instance may write, until another one takes over.
	Instance pgtype.UUID
	Holder   string
}

// defaultEpochTable is in the schema of the first table.
const defaultEpochTable = "processor_epochs"

func (s *Sink) newPlace() (*place, error) {
	name := s.EpochTable
	if name == "" {
		name = defaultEpochTable
		if first := s.tables.all; len(first) > 0 && len(first[0].name) == 2 {
			name = first[0].name[0] + "." + name
		}
	}
	id, err := s.tables.free(name)
	if err != nil {
		return nil, err
	}
	t := newTable(id, "pipeline", "sink")
	for _, c := range []struct {
		name     string
		kind     kind
		required bool
	}{
		{"pipeline", text, true}, {"sink", text, true}, {"incarnation", identity, false}, {"epoch", count, false},
		{"commits", count, true}, {"instance", identity, true}, {"holder", text, true}, {"updated_at", moment, true},
	} {
		t.fixed(c.name, c.kind, c.required)
	}
	s.tables.all = append(s.tables.all, t)
	p := &place{table: t, pipeline: clean(s.Pipeline), sink: clean(s.Name), instance: pgtype.UUID{Valid: true}}
	_, _ = rand.Read(p.instance.Bytes[:]) // it does not fail
	host, _ := os.Hostname()              // for people alone
	p.holder = clean(fmt.Sprintf("%s process %d", host, os.Getpid()))
	return p, nil
}

// read reads the row, and locks it for the transaction if asked.
func (p *place) read(ctx context.Context, ses session, lock bool) (placeRow, error) {
	sql := "select incarnation, epoch, commits, instance, holder from " + p.table.name.Sanitize() + " where pipeline = $1 and sink = $2"
	if lock {
		sql += " for update"
	}
	found, err := rows(ctx, ses, pgx.RowToStructByPos[placeRow], sql, p.pipeline, p.sink)
	if err != nil || len(found) == 0 {
		return placeRow{}, err
	}
	return found[0], nil
}

// The token of a mark is a letter that no other sink's begins with, a version
// and the epoch.
const (
	tokenLetter  = 'p'
	tokenVersion = 1
	tokenSize    = 2 + 8
)

func tokenOf(epoch uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{tokenLetter, tokenVersion}, epoch)
}

func parseToken(token []byte) (uint64, error) {
	switch {
	case len(token) == 0 || token[0] != tokenLetter:
		return 0, errors.New("its mark was made by a sink of another kind: give this one a name of its own")
	case len(token) > 1 && token[1] != tokenVersion:
		return 0, fmt.Errorf("its mark has format %d, and this program reads format %d: go on with the version that wrote it", token[1], tokenVersion)
	case len(token) != tokenSize:
		return 0, fmt.Errorf("its mark of %d bytes is damaged", len(token))
	}
	return binary.BigEndian.Uint64(token[2:]), nil
}

// Resume reads what the database holds of this sink. It refuses a place of
// another state, or of a later epoch than the state's, or one that is older
// than the state knows, as in a database that was restored. redeliver goes on
// all the same: rows come again under their ids, and what another state wrote
// stays.
func (s *Sink) Resume(ctx context.Context, m sink.Mark, newest uint64, redeliver bool) (uint64, error) {
	if err := s.usable(); err != nil {
		return 0, err
	}
	if s.place != nil {
		return 0, errors.New("postgres sink: it is resumed already")
	}
	p, err := s.newPlace()
	if err != nil {
		return 0, fmt.Errorf("resume %s: %w", s.link.name, err)
	}
	ctx, cancel := atStart(ctx)
	defer cancel()
	err = s.link.do(ctx, "read the epoch of "+s.link.name, func(ses session) error {
		if err := s.tables.inspect(ctx, ses); err != nil || !p.table.exists {
			return err
		}
		p.row, err = p.read(ctx, ses, false)
		return err
	})
	if err != nil {
		return 0, err
	}
	epoch, err := p.row.resume(m, newest)
	if err != nil && !redeliver {
		return 0, fmt.Errorf("%s, in table %s: %w", s.link.name, p.table, err)
	}
	if err != nil {
		epoch = m.Epoch
		if m.Token != nil {
			p.adopt = &sink.Mark{Incarnation: m.Incarnation, Epoch: m.Epoch}
		}
	}
	s.place = p
	return epoch, nil
}

const orRedeliver = ", or start once with --redeliver to go on here at least once: rows replace those with the same id, what else is there stays"

// resume decides from the mark that the state knows and the one that is here.
func (r placeRow) resume(m sink.Mark, newest uint64) (uint64, error) {
	var token uint64
	if m.Token != nil {
		var err error
		if token, err = parseToken(m.Token); err != nil {
			return 0, err
		}
	}
	here := uint64(r.Epoch.Int64)
	switch {
	case !r.Incarnation.Valid && m.Token == nil:
		return m.Epoch, nil // it is new
	case !r.Incarnation.Valid:
		return 0, fmt.Errorf("there is no mark, and the state knows of one at epoch %d: rows may be gone with it; bring the table back"+orRedeliver, token)
	case r.Incarnation.Bytes != m.Incarnation:
		return 0, fmt.Errorf("the rows are of another state (%x, at epoch %d) than this one (%x): that state was deleted or replaced, or another pipeline has the same name; bring the state back, rename the pipeline or the sink"+orRedeliver,
			r.Incarnation.Bytes, here, m.Incarnation)
	case here > newest:
		return 0, fmt.Errorf("the rows are of epoch %d, and the state ends at epoch %d: it was restored from an older copy; bring the newer one back"+orRedeliver, here, newest)
	case m.Token != nil && here < token:
		return 0, fmt.Errorf("the rows are of epoch %d, and the state knows that epoch %d was here: the database was restored from an older copy, or has failed over to a replica that lacked rows; bring it up to date"+orRedeliver, here, token)
	}
	return max(here, m.Epoch), nil
}

// claim takes the place: whoever had it before is refused from now on.
func (s *Sink) claim(ctx context.Context) error {
	p := s.place
	return s.link.do(ctx, "take over the place of "+s.link.name, func(ses session) error {
		if err := ses.begin(ctx, lockPatience); err != nil {
			return err
		}
		name := p.table.name.Sanitize()
		if err := ses.exec(ctx, "insert into "+name+" (pipeline, sink, commits, instance, holder, updated_at) values ($1, $2, 0, $3, $4, now()) on conflict do nothing",
			p.pipeline, p.sink, p.instance, p.holder); err != nil {
			return err
		}
		row, err := p.read(ctx, ses, true)
		if err != nil {
			return err
		}
		if err := p.unchanged(row); err != nil {
			return err
		}
		incarnation, epoch := row.Incarnation, row.Epoch
		if p.adopt != nil {
			incarnation = pgtype.UUID{Bytes: p.adopt.Incarnation, Valid: true}
			epoch = pgtype.Int8{Int64: int64(p.adopt.Epoch), Valid: true}
		}
		if err := ses.exec(ctx, "update "+name+" set incarnation = $3, epoch = $4, instance = $5, holder = $6, updated_at = now() where pipeline = $1 and sink = $2",
			p.pipeline, p.sink, incarnation, epoch, p.instance, p.holder); err != nil {
			return err
		}
		if err := ses.commit(ctx); err != nil {
			return err
		}
		p.row = placeRow{incarnation, epoch, row.Commits, p.instance, p.holder}
		return nil
	})
}

// unchanged refuses a row that somebody has written since Resume read it.
func (p *place) unchanged(now placeRow) error {
	was := p.row
	switch {
	case now.Instance == p.instance: // an earlier try, whose answer was lost
		return nil
	case was.Instance.Valid && was == now:
		return nil
	default:
		return fatal("another instance of pipeline %s, %s, has written while this one started: stop one of them", p.pipeline, now.Holder)
	}
}

// begin opens a transaction. With marks it holds the place for its time, and no
// other instance may have taken it.
func (s *Sink) begin(ctx context.Context, ses session) error {
	if err := ses.exec(ctx, "begin"); err != nil || s.place == nil {
		return err
	}
	row, err := s.place.read(ctx, ses, true)
	if err != nil {
		return err
	}
	return s.place.check(row)
}

// check compares the locked row with what this run left there.
func (p *place) check(now placeRow) error {
	switch {
	case !now.Instance.Valid:
		return fatal("the row of pipeline %s and sink %s is gone from table %s: somebody has deleted it; start again to see what is missing", p.pipeline, p.sink, p.table)
	case now.Instance != p.instance:
		return fatal("another instance of pipeline %s, %s, has taken sink %s over: this one stops; run one at a time", p.pipeline, now.Holder, p.sink)
	case now != p.row:
		return fatal("the server has forgotten what it had confirmed: it holds commit %d of this run, and not %d; it has failed over to a replica that lacked rows, or was restored: start again to see what is missing",
			now.Commits, p.row.Commits)
	}
	return nil
}

// after is the row as a Commit leaves it.
func (p *place) after(m sink.Mark) placeRow {
	row := p.row
	row.Incarnation = pgtype.UUID{Bytes: m.Incarnation, Valid: true}
	row.Epoch = pgtype.Int8{Int64: int64(m.Epoch), Valid: true}
	row.Commits++
	return row
}

// write puts the row into the transaction.
func (p *place) write(ctx context.Context, ses session, row placeRow) error {
	return ses.exec(ctx, "update "+p.table.name.Sanitize()+" set incarnation = $3, epoch = $4, commits = $5, updated_at = now() where pipeline = $1 and sink = $2",
		p.pipeline, p.sink, row.Incarnation, row.Epoch, row.Commits)
}
