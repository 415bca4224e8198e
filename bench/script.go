package main

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// variable is a variable that pgbench sets again for each transaction.
type variable struct{ name, value string }

func variables(targets []target) []variable {
	return []variable{
		{"n", "random(100000000, 999999999)"},
		{"random", "-9223372036854775808 + random(0, 4611686018427387903)"}, // the lower half of a UUID
		{"born", fmt.Sprintf(":born + %d", 1<<16)},                          // one millisecond after the previous one
		{"target", fmt.Sprintf("random(0, %d)", len(targets)-1)},
		{"high", choose(targets, 0, func(t target) int64 { return t.high })},
		{"low", choose(targets, 0, func(t target) int64 { return t.low })},
	}
}

// pgbenchScript returns a script with one transaction: the variables that the statement
// needs, and the statement.
func pgbenchScript(targets []target, statement string) string {
	body := statement + ";\n"
	drawn := variables(targets)
	for i := len(drawn) - 1; i >= 0; i-- { // a variable may use those above it
		v := drawn[i]
		if regexp.MustCompile(`:` + v.name + `\b`).MatchString(body) {
			body = "\\set " + v.name + " " + v.value + "\n" + body
		}
	}
	return body
}

// choose returns an expression for a value of the target with the number :target. The
// targets are numbered from first. pgbench has no tables, so the expression is a binary
// search.
func choose(targets []target, first int, value func(target) int64) string {
	if len(targets) == 1 {
		return strconv.FormatInt(value(targets[0]), 10)
	}
	middle := len(targets) / 2
	return fmt.Sprintf("case when :target < %d then %s else %s end", first+middle,
		choose(targets[:middle], first, value), choose(targets[middle:], first+middle, value))
}

// constants returns the variables of a script that never change.
func (b *bench) constants() map[string]string {
	return map[string]string{
		"account": b.tenant.accountID,
		"key":     b.tenant.keyID,
		"request": "0123456789abcdef0123456789abcdef",
		// Each new id is greater than the previous one, as with UUIDv7.
		"born": strconv.FormatInt(time.Now().UnixMilli()<<16|0x7000, 10),
	}
}
