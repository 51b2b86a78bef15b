package server

import (
	_ "embed"
	"net/http"
)

// openAPI describes every path.
//
//go:embed openapi.json
var openAPI []byte

func showOpenAPI(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, openAPI) }
