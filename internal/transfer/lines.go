package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// lines reads a file line by line.
type lines struct {
	r       *bufio.Reader
	maxLine int
	long    []byte // a line that is longer than the reader's buffer
	number  int    // of the line, from 1
	read    int64  // bytes so far
}

func newLines(r io.Reader, maxLine int) *lines {
	return &lines{r: bufio.NewReaderSize(r, 1<<20), maxLine: maxLine}
}

// byteOrderMark is U+FEFF, which some programs write at the beginning of a file.
var byteOrderMark = []byte("\ufeff")

// next returns the next line, which stays valid until the next call. It skips empty lines
// and a byte order mark at the beginning. tooLong is true for a line of more than maxLine
// bytes. At the end, err is io.EOF.
func (l *lines) next() (line []byte, tooLong bool, err error) {
	for {
		line, tooLong, err = l.one()
		if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0 && !tooLong) {
			return nil, false, err
		}
		if l.number == 1 {
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		if line = bytes.Trim(line, " \t\r\n"); len(line) > 0 || tooLong {
			return line, tooLong, nil
		}
	}
}

// one returns a line, with its line ending. With io.EOF, it may return the last line, which
// has none.
func (l *lines) one() (line []byte, tooLong bool, err error) {
	l.number++
	line, err = l.r.ReadSlice('\n')
	l.read += int64(len(line))
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, len(line) > l.maxLine, err
	}
	l.long = append(l.long[:0], line...)
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = l.r.ReadSlice('\n')
		l.read += int64(len(line))
		if len(l.long) <= l.maxLine {
			l.long = append(l.long, line...)
		}
	}
	return l.long, len(l.long) > l.maxLine, err
}
