package config

import (
	"strings"

	"github.com/llm-optimizer/processor/internal/suggest"
)

// didYouMean is a part of a message: the nearest candidate, then all of them.
func didYouMean(word string, candidates []string) string {
	all := "there are " + strings.Join(candidates, ", ")
	if len(candidates) == 1 {
		all = "there is only " + candidates[0]
	}
	if len(candidates) == 0 {
		return "none is allowed here"
	}
	if n := suggest.Nearest(word, candidates); n != "" {
		return "did you mean " + n + "? " + all
	}
	return all
}
