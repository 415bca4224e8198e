package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
)

// streams are where a command writes: its result to out, everything else to err.
type streams struct {
	out *output
	err io.Writer
}

// output keeps the first error of writing to standard output, so a command whose
// output is lost does not succeed.
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

var errOutputClosed = errors.New("standard output is closed, so the output of this command would be lost")

// mustBeOpen returns an error if standard output is closed, for commands that are
// useless without their output. For a closed standard output Go opens /dev/null, to
// read and to write. Some programs do the same for a child whose output they ignore, so
// a command that has another effect must not call this.
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
	// A shell's >/dev/null is opened for writing only.
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
