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

// output is standard output. It keeps the first write error, so that a command whose
// output is lost fails.
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

// mustBeOpen returns an error if standard output is closed, for commands that are useless
// without their output. Go replaces a closed standard output with /dev/null, open for
// reading and writing. Some programs start a child with the same kind of /dev/null in order
// to discard its output. A command that is useful without its output must therefore not
// call mustBeOpen.
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
	// A shell opens >/dev/null only for writing, so this Read fails with another error.
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
