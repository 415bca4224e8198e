package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// byteSize is a number of bytes. It is written like GOMEMLIMIT: 1024, 64KiB, 32MiB, 1GiB.
type byteSize int64

// sizeUnits is ordered: UnmarshalText must try GiB before B, and String uses the first
// unit that fits.
var sizeUnits = []struct {
	suffix string
	bytes  int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

// UnmarshalText parses a whole number and an optional unit.
func (b *byteSize) UnmarshalText(text []byte) error {
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(string(text), unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		if errors.Is(err, strconv.ErrRange) || err == nil && int64(n) > math.MaxInt64/unit.bytes {
			return fmt.Errorf("%q is too large; the maximum is %dGiB", text, math.MaxInt64>>30)
		}
		if err != nil {
			break
		}
		*b = byteSize(int64(n) * unit.bytes)
		return nil
	}
	return fmt.Errorf("%q is not a size such as 32MiB", text)
}

func (b byteSize) String() string {
	for _, unit := range sizeUnits {
		if b > 0 && int64(b)%unit.bytes == 0 {
			return strconv.FormatInt(int64(b)/unit.bytes, 10) + unit.suffix
		}
	}
	return "0"
}
