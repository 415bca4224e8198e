package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
)

// streams are where a command writes: out takes its result, err what it has to say
// besides.
type streams struct {
	out *output
	err io.Writer
}

// output keeps the first error of writing to a command's standard output, so that
// no command succeeds whose output nobody got.
type output struct {
	to  io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

var errOutputClosed = errors.New("standard output is closed, so nobody would have what this command prints")

// mustBeOpen is for commands whose output is all that they are for. Where standard
// output is closed, Go opens /dev/null for it, to read and to write. Some programs do
// the same for a child whose output they ignore, so a command that has an effect
// must not call this.
func (o *output) mustBeOpen() error {
	f, ok := o.to.(*os.File)
	if !ok {
		return nil
	}
	own, err := f.Stat()
	if err != nil {
		return err
	}
	null, err := os.Stat(os.DevNull)
	if err != nil || !os.SameFile(own, null) {
		return nil
	}
	// What a shell's >/dev/null opens cannot be read.
	if _, err := f.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
		return errOutputClosed
	}
	return nil
}

func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
