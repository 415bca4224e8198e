package http

import (
	"net/http"
	"slices"
	"testing"
)

func TestReadTags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []string
		want   []int64 // nil: malformed
	}{
		{[]string{`"1"`}, []int64{1}},
		{[]string{`"1", "2"`}, []int64{1, 2}},
		{[]string{`"1","2"`}, []int64{1, 2}},
		{[]string{`"1"`, `W/"2-gzip"`}, []int64{1, 2}},
		{[]string{` ,, "1" ,	w/"2"-gzip,`}, []int64{1, 2}},
		{[]string{`"x,y", "3"`}, []int64{3}},
		{[]string{`"é"`}, []int64{}},
		{[]string{`""`}, []int64{}},

		{[]string{``}, nil},
		{[]string{` `}, nil},
		{[]string{`,`}, nil},
		{[]string{``, ``}, nil},
		{[]string{`1`}, nil},
		{[]string{`"1`}, nil},
		{[]string{`1"`}, nil},
		{[]string{`'1'`}, nil},
		{[]string{`"1" "2"`}, nil},
		{[]string{`"1""2"`}, nil},
		{[]string{`"1";"2"`}, nil},
		{[]string{`"1"x`}, nil},
		{[]string{`"a"-gzip`}, nil},
		{[]string{`"1 2"`}, nil},
		{[]string{`W/`}, nil},
		{[]string{`W"1"`}, nil},
		{[]string{`W/ "1"`}, nil},
		{[]string{`*, "1"`}, nil},
		{[]string{`*`, `*`}, nil},
		{[]string{`"*`}, nil},
	} {
		match, err := ifMatch(http.Header{"If-Match": c.values})
		if (err == nil) != (c.want != nil) || !slices.Equal(match, c.want) {
			t.Errorf("%q: %v, %v, want %v", c.values, match, err, c.want)
		}
	}
}
