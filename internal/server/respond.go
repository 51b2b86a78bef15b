package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// respond writes a value as JSON.
func respond(w http.ResponseWriter, value any) {
	body, err := encode(value)
	if err != nil {
		fail(w, http.StatusInternalServerError, "the answer cannot be written as JSON: "+err.Error())
		return
	}
	write(w, http.StatusOK, append(body, '\n'))
}

// encode is json.Marshal without escapes for HTML, which nothing here is.
func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

func write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // who has gone needs no answer
}

// fail answers with an error.
func fail(w http.ResponseWriter, status int, text string) {
	body, _ := encode(map[string]string{"error": text}) // texts can be encoded
	write(w, status, append(body, '\n'))
}

// list is a slice that is never null in JSON.
func list[T any](v []T) []T {
	if v == nil {
		return []T{}
	}
	return v
}

// limitOf reads the parameter limit: from 1 to most, usual if it is not given.
func limitOf(r *http.Request, usual, most int) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("limit has to be a number from 1 to %d", most)
	}
	return n, nil
}

// rowsAnswer is rows of JSON beside a number.
func rowsAnswer(name string, rows [][]byte, number string, n int64) []byte {
	size := 64
	for _, row := range rows {
		size += len(row) + 1
	}
	b := fmt.Appendf(make([]byte, 0, size), `{%q:[`, name)
	for i, row := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, row...)
	}
	return fmt.Appendf(b, "],%q:%d}\n", number, n)
}
