package decode

// dateCache reads RFC 3339 times. It remembers the last date, since the next
// event mostly has the same one.
type dateCache struct {
	// head and tail are bytes 0-7 and 3-10 of "2006-01-02T"; day is its
	// midnight in nanoseconds.
	head, tail uint64
	day        int64
	valid      bool
}

const (
	dateSize   = len("2006-01-02T")
	secondSize = len("2006-01-02T15:04:05")

	// clock is "00:00:00" as a word. clockLimits added to a word less clock
	// carries into the high bit of every byte that may not stand there: digits
	// to 9, tens of minutes and seconds to 5, colons as they are.
	clock       = '0' | '0'<<8 | ':'<<16 | '0'<<24 | '0'<<32 | ':'<<40 | '0'<<48 | '0'<<56
	clockLimits = 0x76 | 0x76<<8 | 0x7f<<16 | 0x7a<<24 | 0x76<<32 | 0x7f<<40 | 0x7a<<48 | 0x76<<56

	// A cached day must be so near to 1970 that all its times fit in an int64.
	maxCachedDay = 106751
)

// read reads a time in UTC, YYYY-MM-DDTHH:MM:SS[.f]Z with at most eight digits
// of fraction, on the remembered date; false says nothing but that it is not
// one of those.
func (c *dateCache) read(s []byte) (int64, bool) {
	if len(s) <= secondSize || s[len(s)-1] != 'Z' || !c.valid ||
		load(s, 0) != c.head || load(s, dateSize-8) != c.tail {
		return 0, false
	}
	w := load(s, dateSize) ^ clock
	if (w+clockLimits|w)&high != 0 {
		return 0, false
	}
	hour := int64(w&15)*10 + int64(w>>8&15)
	minute := int64(w>>24&15)*10 + int64(w>>32&15)
	second := int64(w>>48&15)*10 + int64(w>>56)
	if hour > 23 {
		return 0, false
	}
	t := c.day + (hour*3600+minute*60+second)*1e9
	fraction := len(s) - secondSize - 2 // without the point and the Z
	if fraction < 0 {
		return t, true
	}
	if s[secondSize] != '.' || fraction == 0 || fraction > 8 {
		return 0, false
	}
	// The eight bytes before the Z end with the fraction: shift the others out.
	w = load(s, len(s)-9) >> (64 - 8*uint(fraction)) << (64 - 8*uint(fraction))
	w ^= low * '0' >> (64 - 8*uint(fraction)) << (64 - 8*uint(fraction))
	if (w+low*(0x80-10)|w)&high != 0 {
		return 0, false
	}
	return t + int64(eight(w)*uintPow10[9-fraction]), true
}

// readAny reads any RFC 3339 time: every zone offset, a fraction of any length,
// of which nine digits count. As the RFC allows, t and z may be small and a
// blank may stand for the T. A leap second, :60, is refused.
func (c *dateCache) readAny(s []byte) (int64, timeStatus) {
	var f timeFields
	if !f.read(s) {
		return 0, timeMalformed
	}
	day := daysSince1970(f.year, f.month, f.day)
	if day < maxCachedDay && day > -maxCachedDay {
		*c = dateCache{head: load(s, 0), tail: load(s, dateSize-8), day: day * 86400e9, valid: true}
	}
	sec := day*86400 + int64(f.hour*3600+f.minute*60+f.second-f.offset)
	return nanoseconds(sec, f.nano)
}

// timeFields are the parts of a time; offset is in seconds east of UTC.
type timeFields struct {
	year, month, day, hour, minute, second, offset int
	nano                                           int64
}

// read takes s apart. It returns false when s is not an RFC 3339 time, or one
// of a day that never was.
func (f *timeFields) read(s []byte) bool {
	if len(s) <= secondSize || !punctuated(s) {
		return false
	}
	century, ok0 := twoDigits(s[0:], 99)
	year, ok1 := twoDigits(s[2:], 99)
	month, ok2 := twoDigits(s[5:], 12)
	day, ok3 := twoDigits(s[8:], 31)
	hour, ok4 := twoDigits(s[11:], 23)
	minute, ok5 := twoDigits(s[14:], 59)
	second, ok6 := twoDigits(s[17:], 59)
	if !(ok0 && ok1 && ok2 && ok3 && ok4 && ok5 && ok6) {
		return false
	}
	f.year, f.month, f.day = century*100+year, month, day
	f.hour, f.minute, f.second = hour, minute, second
	if month == 0 || day == 0 || day > daysIn(f.year, month) {
		return false
	}
	s = s[secondSize:]
	if s[0] == '.' {
		n := 0
		for n+1 < len(s) && isDigit(s[n+1]) {
			n++
		}
		if n == 0 {
			return false
		}
		f.nano = fractionOf(s[1 : n+1])
		s = s[n+1:]
	}
	return f.readZone(s)
}

// punctuated reports whether date and clock are held together as they should.
func punctuated(s []byte) bool {
	return s[4] == '-' && s[7] == '-' && s[13] == ':' && s[16] == ':' &&
		(s[10] == 'T' || s[10] == 't' || s[10] == ' ')
}

// readZone reads Z or an offset such as +05:30.
func (f *timeFields) readZone(s []byte) bool {
	if len(s) == 1 {
		return s[0] == 'Z' || s[0] == 'z'
	}
	if len(s) != len("+00:00") || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return false
	}
	hour, ok := twoDigits(s[1:], 23)
	minute, ok2 := twoDigits(s[4:], 59)
	f.offset = hour*3600 + minute*60
	if s[0] == '-' {
		f.offset = -f.offset
	}
	return ok && ok2
}

// fractionOf returns the nanoseconds of a fraction's digits.
func fractionOf(digits []byte) int64 {
	v := int64(0)
	for i := range 9 {
		v *= 10
		if i < len(digits) {
			v += int64(digits[i] - '0')
		}
	}
	return v
}

// twoDigits reads the two digits at the start of s, false if they are none or
// more than most.
func twoDigits(s []byte, most int) (int, bool) {
	if !isDigit(s[0]) || !isDigit(s[1]) {
		return 0, false
	}
	v := int(s[0]-'0')*10 + int(s[1]-'0')
	return v, v <= most
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func daysIn(year, month int) int {
	if month == 2 {
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 30 + (month+month>>3)&1
}

// daysSince1970 counts the days of the proleptic Gregorian calendar, years
// beginning in March so that the leap day is a year's last.
func daysSince1970(year, month, day int) int64 {
	if month <= 2 {
		year, month = year-1, month+12
	}
	leaps := floorDiv(year, 4) - floorDiv(year, 100) + floorDiv(year, 400)
	inYear := (153*(month-3)+2)/5 + day - 1
	return int64(year)*365 + int64(leaps+inYear) - 719468
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
