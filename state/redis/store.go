package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/llm-optimizer/processor/state"
)

// The defaults of a Store.
const (
	defaultLease    = 10 * time.Second
	defaultPatience = 30 * time.Second
)

// Store is a state.Store on a Redis server. Use it by pointer.
type Store struct {
	// URL is where the server is: redis://[[USER]:PASSWORD@]HOST[:PORT][/DB],
	// or rediss:// for TLS.
	URL string
	// Prefix names the store among others on the server, as in
	// processor:PIPELINE. It has no braces.
	Prefix string
	// TLS replaces what rediss:// says by itself: the system's roots, TLS 1.2.
	TLS *tls.Config
	// Lease is how long the store stays taken when the instance that has it
	// open is gone without a word; 0 means 10 s. An instance on the same
	// machine whose process has ended is found out at once.
	Lease time.Duration
	// Patience is how long a call goes on after its first failure to reach the
	// server before it is an error; 0 means 30 s.
	Patience time.Duration
	// Logger gets warnings; nil means none.
	Logger *slog.Logger
}

// String names the store by its address and prefix. It has no password.
func (s *Store) String() string {
	return s.address() + " " + s.Prefix
}

// Open opens the store to read and write. It waits to see whether an instance
// that seems to have it open still renews its lease: then it is ErrInUse, after
// less than half of that lease.
func (s *Store) Open(ctx context.Context) (state.Backend, error) {
	b, err := s.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the state in %s: %w", s, err)
	}
	return b, nil
}

// View opens the store, or a checkpoint, to read only. Of a store that is in
// use it shows the moment of this call, in a copy on the server which is gone
// after Close; it is ErrInUse if the server has no memory for one.
func (s *Store) View(ctx context.Context, checkpoint string) (state.Backend, error) {
	v, err := s.view(ctx, checkpoint)
	if err != nil {
		return nil, fmt.Errorf("view %s: %w", s.part(checkpoint), err)
	}
	return v, nil
}

// part names the store or a checkpoint of it.
func (s *Store) part(checkpoint string) string {
	if checkpoint == "" {
		return "the state in " + s.String()
	}
	return fmt.Sprintf("checkpoint %q of the state in %s", checkpoint, s)
}

func (s *Store) lease() time.Duration {
	if s.Lease <= 0 {
		return defaultLease
	}
	return s.Lease
}

func (s *Store) patience() time.Duration {
	if s.Patience <= 0 {
		return defaultPatience
	}
	return s.Patience
}

// copies is how long a copy for a reader lives without being renewed: an
// outage that the reader survives must not cost it.
func (s *Store) copies() time.Duration { return s.lease() + s.patience() }

func (s *Store) logger() *slog.Logger {
	if s.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Logger
}

// names returns the keys of the store.
func (s *Store) names() (names, error) {
	switch {
	case s.Prefix == "":
		return names{}, errors.New("the prefix is empty, want one such as processor:PIPELINE")
	case strings.ContainsAny(s.Prefix, "{}"):
		return names{}, fmt.Errorf("the prefix %q has a brace: leave it out, it is added around the prefix", s.Prefix)
	}
	return newNames(s.Prefix), nil
}
