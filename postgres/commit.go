package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/llm-optimizer/processor/internal/failpoint"
	"github.com/llm-optimizer/processor/sink"
)

// errHeld says that a commit whose answer was lost had come to pass.
var errHeld = errors.New("it is there already")

// Commit makes the rows since the last one, and the mark, one transaction. A
// commit whose answer is lost is looked up in the place, and repeated if it did
// not come to pass.
func (s *Sink) Commit(ctx context.Context, m sink.Mark) ([]byte, error) {
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	if s.place == nil {
		return nil, errors.New("postgres sink: a commit without a resume")
	}
	next := s.place.after(m)
	commit := s.commitHeld
	if s.open {
		commit = s.commitOpen
	}
	what := fmt.Sprintf("commit epoch %d to %s", m.Epoch, s.link.name)
	if err := commit(ctx, what, next); err != nil {
		return nil, err
	}
	failpoint.At("postgres/after-commit")
	s.place.row = next
	s.tables.clear()
	return tokenOf(m.Epoch), nil
}

// commitHeld commits rows that are all in memory. It can be tried any number of
// times.
func (s *Sink) commitHeld(ctx context.Context, what string, next placeRow) error {
	return s.link.do(ctx, what, func(ses session) error {
		if err := s.tables.prepare(ctx, ses, false); err != nil {
			return err
		}
		err := s.beginAgain(ctx, ses, next)
		if errors.Is(err, errHeld) {
			return ses.exec(ctx, "rollback")
		}
		if err != nil {
			return err
		}
		return s.finish(ctx, ses, next)
	})
}

// beginAgain is begin for a commit that may have been tried before: errHeld says
// that it has come to pass. The lock on the place waits for one that the server
// is still busy with.
func (s *Sink) beginAgain(ctx context.Context, ses session, next placeRow) error {
	if err := ses.exec(ctx, "begin"); err != nil {
		return err
	}
	row, err := s.place.read(ctx, ses, true)
	if err != nil {
		return err
	}
	if row == next {
		return errHeld
	}
	return s.place.check(row)
}

// finish writes what is held and the place, and commits.
func (s *Sink) finish(ctx context.Context, ses session, next placeRow) error {
	if err := s.tables.flush(ctx, ses); err != nil {
		return err
	}
	if err := s.place.write(ctx, ses, next); err != nil {
		return err
	}
	failpoint.At("postgres/before-commit")
	return ses.commit(ctx)
}

// spill puts the rows that are held into the transaction of their epoch, and
// lets go of them. From then on a connection that breaks ends the run: the next
// one is given the rows again.
func (s *Sink) spill(ctx context.Context) error {
	if s.open {
		if err := s.flushOpen(ctx); err != nil {
			return s.lostRows(ctx, err)
		}
		s.tables.clear()
		return nil
	}
	err := s.link.do(ctx, "write to "+s.link.name, func(ses session) error {
		if err := s.tables.prepare(ctx, ses, false); err != nil {
			return err
		}
		if err := s.begin(ctx, ses); err != nil {
			return err
		}
		return s.tables.flush(ctx, ses)
	})
	if err != nil {
		return err
	}
	failpoint.At("postgres/after-spill")
	s.open = true
	s.tables.clear()
	return nil
}

// flushOpen writes what is held in the transaction that is open.
func (s *Sink) flushOpen(ctx context.Context) error {
	ses := session{s.link.conn}
	if err := s.tables.prepare(ctx, ses, true); err != nil {
		return err
	}
	return s.tables.flush(ctx, ses)
}

// lostRows ends the run after an error in a transaction that held rows.
func (s *Sink) lostRows(ctx context.Context, err error) error {
	text := s.link.text(err)
	s.link.drop(ctx)
	s.open = false
	if ctx.Err() != nil {
		return ended(ctx, "write to "+s.link.name, text)
	}
	return fmt.Errorf("write to %s: the transaction of a large epoch has failed, and is written again after a restart: %w", s.link.name, text)
}

// commitOpen commits a transaction that holds rows which are no longer in
// memory.
func (s *Sink) commitOpen(ctx context.Context, what string, next placeRow) error {
	ses := session{s.link.conn}
	err := s.tables.prepare(ctx, ses, true)
	if err == nil {
		err = s.finish(ctx, ses, next)
	}
	if s.open = false; err == nil {
		return nil
	}
	first := s.lostRows(ctx, err)
	if ctx.Err() != nil || !transient(err) {
		return first
	}
	return s.link.do(ctx, what, func(ses session) error {
		err := s.beginAgain(ctx, ses, next)
		if errors.Is(err, errHeld) {
			return ses.exec(ctx, "rollback")
		}
		if err == nil {
			err = fatal("%w", first)
		}
		return err
	})
}
