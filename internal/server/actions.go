package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// checkpointTimeout is how long a request may wait for a checkpoint.
const checkpointTimeout = 5 * time.Minute

func (s *Server) showCheckpoints(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	names, err := s.cfg.Pipeline.Checkpoints(ctx)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	respond(w, map[string]any{"checkpoints": list(names)})
}

func (s *Server) makeCheckpoint(w http.ResponseWriter, r *http.Request) {
	// A large state takes longer than other answers may.
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(checkpointTimeout + askTimeout)); err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), checkpointTimeout)
	defer cancel()
	name, err := s.cfg.Pipeline.CheckpointNow(ctx)
	if err != nil {
		fail(w, http.StatusConflict, err.Error())
		return
	}
	s.cfg.Logger.Info("a checkpoint was asked for and made", "checkpoint", name)
	respond(w, map[string]string{"checkpoint": name})
}

func (s *Server) pause(w http.ResponseWriter, _ *http.Request) { s.turn(w, s.cfg.Pipeline.Pause) }

func (s *Server) resume(w http.ResponseWriter, _ *http.Request) { s.turn(w, s.cfg.Pipeline.Resume) }

// turn pauses or resumes, and tells the phase after it.
func (s *Server) turn(w http.ResponseWriter, how func() error) {
	if err := how(); err != nil {
		fail(w, http.StatusConflict, err.Error())
		return
	}
	phase := s.cfg.Pipeline.Status().Phase
	s.cfg.Logger.Info("reading was paused or resumed by request", "phase", string(phase))
	respond(w, map[string]string{"phase": string(phase)})
}

// levels are the levels by their names, as the config has them.
var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

func (s *Server) showLevel(w http.ResponseWriter, _ *http.Request) {
	if s.cfg.Level == nil {
		fail(w, http.StatusNotFound, "the level of this log is not known")
		return
	}
	respond(w, map[string]string{"level": nameOf(s.cfg.Level.Level())})
}

// nameOf is the name of a level as the config has it.
func nameOf(l slog.Level) string { return strings.ToLower(l.String()) }

func (s *Server) setLevel(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Level == nil {
		fail(w, http.StatusNotFound, "the level of this log cannot be changed")
		return
	}
	level, status, err := levelOf(r)
	if err != nil {
		fail(w, status, err.Error())
		return
	}
	before := s.cfg.Level.Level()
	s.cfg.Level.Set(level)
	s.cfg.Logger.Log(r.Context(), max(level, before), "the log level was changed by request", "from", nameOf(before), "to", nameOf(level))
	s.showLevel(w, r)
}

// levelOf reads the body of a request: {"level":"debug"}.
func levelOf(r *http.Request) (level slog.Level, status int, err error) {
	var body struct {
		Level string `json:"level"`
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	var tooLong *http.MaxBytesError
	switch err := d.Decode(&body); {
	case errors.As(err, &tooLong):
		return 0, http.StatusRequestEntityTooLarge, fmt.Errorf("the body is longer than %d bytes", tooLong.Limit)
	case err != nil:
		return 0, http.StatusBadRequest, fmt.Errorf(`the body has to be such as {"level":"debug"}: %w`, err)
	}
	level, ok := levels[body.Level]
	if !ok {
		return 0, http.StatusBadRequest, fmt.Errorf("%.20q is no level; give debug, info, warn or error", body.Level)
	}
	return level, 0, nil
}
