package postgres

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// maxName is the longest name of a table or column, in bytes. The server would
// cut a longer one.
const maxName = 63

// queryPart of a table's name stands for the name of the query.
const queryPart = "{query}"

// systemColumns are those that every table has.
var systemColumns = map[string]bool{"tableoid": true, "xmin": true, "cmin": true, "xmax": true, "cmax": true, "ctid": true}

// tableName reads NAME or SCHEMA.NAME.
func tableName(text string) (pgx.Identifier, error) {
	id := pgx.Identifier(strings.Split(text, "."))
	if len(id) > 2 {
		return nil, fmt.Errorf("table %q: want NAME or SCHEMA.NAME", text)
	}
	for _, part := range id {
		if err := checkName(part); err != nil {
			return nil, fmt.Errorf("table %q: %w", text, err)
		}
	}
	return id, nil
}

// checkColumn says what is wrong with the name of a column.
func checkColumn(name string) error {
	if systemColumns[name] {
		return errors.New("every table of PostgreSQL has a column of that name")
	}
	return checkName(name)
}

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("a name is empty")
	case len(name) > maxName:
		return fmt.Errorf("the name %q has %d bytes, PostgreSQL takes %d", name, len(name), maxName)
	case !utf8.ValidString(name) || strings.ContainsRune(name, 0):
		return fmt.Errorf("the name %q is no text for PostgreSQL", name)
	}
	return nil
}

// quote writes a name as SQL.
func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// quoteAll writes names as SQL, with commas.
func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quote(name)
	}
	return strings.Join(quoted, ", ")
}
