package postgres

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// The forms of Sink.PartitionBy.
const (
	ByDay   = "day"
	ByMonth = "month"
)

// period is a day or month in UTC, [from, to).
type period struct{ from, to time.Time }

// periodOf is the one that a time lies in.
func periodOf(by string, at time.Time) period {
	y, m, d := at.UTC().Date()
	if by == ByMonth {
		from := time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
		return period{from, from.AddDate(0, 1, 0)}
	}
	from := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	return period{from, from.AddDate(0, 0, 1)}
}

func (p period) holds(t time.Time) bool   { return !t.Before(p.from) && t.Before(p.to) }
func (p period) within(other period) bool { return !p.from.Before(other.from) && !p.to.After(other.to) }
func (p period) overlaps(other period) bool {
	return p.from.Before(other.to) && other.from.Before(p.to)
}
func (p period) equal(other period) bool { return p.from.Equal(other.from) && p.to.Equal(other.to) }
func (p period) bounds() string {
	return fmt.Sprintf("FROM ('%s') TO ('%s')", stamp(p.from), stamp(p.to))
}
func stamp(t time.Time) string { return t.Format(boundLayout) }

// boundLayout is how a server that is in UTC writes a time.
const boundLayout = "2006-01-02 15:04:05-07"

// partitionName is the name of a table's partition: TABLE_pYYYYMMDD, where TABLE
// is shortened, with a hash, if that is too long.
func partitionName(table pgx.Identifier, by string, p period) pgx.Identifier {
	layout := "20060102"
	if by == ByMonth {
		layout = "200601"
	}
	base, suffix := table[len(table)-1], "_p"+p.from.Format(layout)
	if len(base)+len(suffix) > maxName {
		h := fnv.New32a()
		h.Write([]byte(base))
		suffix = fmt.Sprintf("_%08x", h.Sum32()) + suffix
		base = base[:maxName-len(suffix)]
		for !utf8.ValidString(base) {
			base = base[:len(base)-1]
		}
	}
	name := append(pgx.Identifier(nil), table...)
	name[len(name)-1] = base + suffix
	return name
}

var boundExpr = regexp.MustCompile(`^FOR VALUES FROM \((.*)\) TO \((.*)\)$`)

// parseBounds reads the bounds of a partition as the server shows them in UTC.
func parseBounds(text string) (period, error) {
	m := boundExpr.FindStringSubmatch(text)
	if m == nil {
		return period{}, fmt.Errorf("bounds %q are not of one column", text)
	}
	from, err := parseBound(m[1], time.Time{})
	if err != nil {
		return period{}, err
	}
	to, err := parseBound(m[2], endOfTime)
	return period{from, to}, err
}

// endOfTime is beyond all times of events.
var endOfTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

func parseBound(text string, open time.Time) (time.Time, error) {
	if text == "MINVALUE" || text == "MAXVALUE" {
		return open, nil
	}
	t, err := time.Parse("2006-01-02 15:04:05.999999-07", strings.Trim(text, "'"))
	if err != nil {
		return open, fmt.Errorf("bound %s cannot be read: %w", text, err)
	}
	return t, nil
}
