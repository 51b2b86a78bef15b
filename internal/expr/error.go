package expr

import (
	"fmt"
	"unicode/utf8"
)

// Error is a mistake in an expression or aggregate.
type Error struct {
	// Line and Column are the place in the text, from 1; columns count
	// characters.
	Line, Column int
	// Message says what is wrong and what would be right.
	Message string
}

// Error is the message with its place.
func (e *Error) Error() string {
	if e.Line > 1 {
		return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
	}
	return fmt.Sprintf("column %d: %s", e.Column, e.Message)
}

// errorAt makes an Error at a character of the text, counted from 0; a place
// beyond the text means its end.
func errorAt(text string, char int, format string, args ...any) *Error {
	e := &Error{Line: 1, Column: 1, Message: fmt.Sprintf(format, args...)}
	for _, r := range text {
		if char <= 0 {
			break
		}
		char--
		e.Column++
		if r == '\n' {
			e.Line++
			e.Column = 1
		}
	}
	return e
}

// byteOffset is where the character begins, in bytes.
func byteOffset(text string, char int) int {
	at := 0
	for ; char > 0 && at < len(text); char-- {
		_, n := utf8.DecodeRuneInString(text[at:])
		at += n
	}
	return at
}
