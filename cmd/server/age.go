package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	day     = 24 * time.Hour
	maxDays = uint64(math.MaxInt64 / day)
)

// age is a duration that may be given in days: 400d, 9600h, 0.
type age time.Duration

// UnmarshalText parses a whole number of days, or a duration.
func (a *age) UnmarshalText(text []byte) error {
	if digits, ok := strings.CutSuffix(string(text), "d"); ok {
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || n > maxDays {
			return fmt.Errorf("%q is not a number of days from 0d to %dd", text, maxDays)
		}
		*a = age(time.Duration(n) * day)
		return nil
	}
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is neither a number of days such as 400d nor a duration such as 36h (at most %d days)", text, maxDays)
	}
	*a = age(parsed)
	return nil
}

func (a age) String() string {
	if d := time.Duration(a); d%day != 0 {
		return d.String()
	}
	return strconv.FormatInt(int64(time.Duration(a)/day), 10) + "d"
}
