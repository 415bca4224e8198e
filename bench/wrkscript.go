package main

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

//go:embed wrk.lua
var wrkTemplate string

// wrkScript returns a script that sends the operation's requests. Each script has a
// different random seed: with the same random numbers, a second run would change nothing.
func (o operation) wrkScript(targets []target) string {
	ids := make([]string, len(targets))
	for i, t := range targets {
		ids[i] = strconv.Quote(t.String())
	}
	contentType := "nil"
	if o.body != "" {
		contentType = `"application/json"`
	}
	return strings.NewReplacer(
		"<seed>", fmt.Sprint(rand.Int32()),
		"<ids>", strings.Join(ids, ","),
		"<type>", contentType,
		"<method>", o.method,
		"<path>", luaText(o.path),
		"<body>", luaText(o.body),
	).Replace(wrkTemplate)
}

// luaText returns a Lua expression for a text that contains {id} and {n}, or nil for an
// empty text.
func luaText(text string) string {
	if text == "" {
		return "nil"
	}
	return "'" + strings.NewReplacer("{id}", "' .. id .. '", "{n}", "' .. n .. '").Replace(text) + "'"
}
