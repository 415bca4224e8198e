package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"golang.org/x/sync/errgroup"

	"orgd/internal/orgs"
	"orgd/internal/uuid"
)

const (
	// A block is what one transaction imports. It is full when it reaches one of these limits.
	blockOrgs    = 2000
	blockMembers = 10_000
	blockBytes   = 4 << 20

	// workers is small, because each worker keeps one core of the database busy, and the
	// database also serves others.
	workers = 2
)

// Options say what to import, and where.
type Options struct {
	Account uuid.UUID
	Input   io.Reader
	MaxLine int // the maximum length of a line in bytes
	DryRun  bool

	RequestID string // of the events

	// Told is called with each organization that is refused or differs, in the order of the
	// lines.
	Told func(Told)
	// Progress is called after each block. Calls of Told and Progress are not concurrent.
	Progress func(Progress)
}

// Told reports an organization that is refused or differs.
type Told struct {
	Line   int       // from 1
	Reason string    // why it is refused; empty if it differs
	OrgID  uuid.UUID // the existing organization that differs
	Fields []string  // the fields that differ, by their names in the API
}

// Progress says how much of the input an import has finished.
type Progress struct {
	Bytes  int64 // the size of the finished part of the input
	Counts Counts
}

// Counts are the numbers of organizations with each outcome.
type Counts struct{ Imported, Present, Different, Refused int }

// Total returns the number of all organizations.
func (c Counts) Total() int { return c.Imported + c.Present + c.Different + c.Refused }

// Import imports the organizations into the account. It runs several transactions at a
// time, and each imports a block of lines completely or not at all. If an import ends
// early, a repeated import adds the rest. Errors: those of orgs.Importer and of the input.
func Import(ctx context.Context, repository *orgs.Repository, o Options) (Counts, error) {
	i := &importer{
		Options: o, orgs: repository.NewImporter(o.Account, o.RequestID, o.DryRun),
		work: make(chan *block), inOrder: make(chan *block, workers),
	}
	if err := i.orgs.Check(ctx); err != nil {
		return Counts{}, err
	}
	g, ctx := errgroup.WithContext(ctx)
	// A read of standard input may block forever, so nothing waits for it after an error or a
	// signal.
	read := make(chan error, 1)
	go func() {
		defer close(i.work)
		defer close(i.inOrder)
		read <- i.read(ctx)
	}()
	g.Go(func() error {
		select {
		case err := <-read:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	for range workers {
		g.Go(func() error { return i.add(ctx) })
	}
	g.Go(func() error { return i.report(ctx) })
	err := g.Wait()
	return i.counts, err
}

type importer struct {
	Options
	orgs    *orgs.Importer
	work    chan *block
	inOrder chan *block // the blocks in the order of their lines
	pending []*block    // the blocks that may not be done yet
	counts  Counts
}

// block is the organizations of some lines.
type block struct {
	lines   []int // the numbers of the lines of orgs
	orgs    []orgs.ImportOrg
	refused []Told // the lines without a valid organization
	members int
	keys    map[key]bool // the keys of orgs; no two concurrent transactions may have a key in common
	size    int64        // of the lines
	end     int64        // bytes of the input up to the end of the block

	results []orgs.ImportResult
	done    chan struct{} // closed when there are results
}

// key is the id or the external id of an organization.
type key struct {
	id         uuid.UUID
	externalID string
}

func keysOf(o *orgs.ImportOrg) []key {
	if o.ExternalID == "" {
		return []key{{id: o.ID}}
	}
	return []key{{id: o.ID}, {externalID: o.ExternalID}}
}

func newBlock() *block { return &block{keys: map[key]bool{}, done: make(chan struct{})} }

func (b *block) isFull() bool {
	return len(b.orgs)+len(b.refused) >= blockOrgs || b.members >= blockMembers || b.size >= blockBytes
}

// read reads the input and sends blocks to the workers.
func (i *importer) read(ctx context.Context) error {
	input := newLines(i.Input, i.MaxLine)
	derived := ids{accountID: i.Account, lines: map[[8]byte]uint32{}}
	var p parser
	b := newBlock()
	for {
		line, tooLong, err := input.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", input.number, err)
		}
		var o orgs.ImportOrg
		if tooLong {
			err = fmt.Errorf("the line has more than %d bytes; raise --max-line", i.MaxLine)
		} else {
			o, err = p.parse(line)
		}
		if err != nil {
			b.refused = append(b.refused, Told{Line: input.number, Reason: err.Error()})
		} else {
			derived.derive(&o, line)
			if b, err = i.separate(ctx, b, &o); err != nil {
				return err
			}
			b.lines, b.orgs = append(b.lines, input.number), append(b.orgs, o)
			b.members += len(o.Members)
		}
		b.size += int64(len(line))
		if b.end = input.read; b.isFull() {
			if err := i.send(ctx, b); err != nil {
				return err
			}
			b = newBlock()
		}
	}
	b.end = input.read
	return i.send(ctx, b)
}

// separate returns the block to which the organization can be added. If an earlier line has
// the same id or external id, the organization of that line must be in the database first.
// This ensures that the first of two such lines is the one that is imported.
func (i *importer) separate(ctx context.Context, b *block, o *orgs.ImportOrg) (*block, error) {
	keys := keysOf(o)
	for _, k := range keys {
		if b.keys[k] {
			if err := i.send(ctx, b); err != nil {
				return nil, err
			}
			b = newBlock()
		}
		for _, earlier := range i.pending {
			if !earlier.keys[k] {
				continue
			}
			select {
			case <-earlier.done:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	for _, k := range keys {
		b.keys[k] = true
	}
	return b, nil
}

func (i *importer) send(ctx context.Context, b *block) error {
	select {
	case i.inOrder <- b:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case i.work <- b:
	case <-ctx.Done():
		return ctx.Err()
	}
	i.pending = append(i.pending, b)
	for len(i.pending) > 0 && isDone(i.pending[0]) {
		i.pending = i.pending[1:]
	}
	return nil
}

func isDone(b *block) bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

// add adds blocks until none are left.
func (i *importer) add(ctx context.Context) (err error) {
	for b := range until(ctx, i.work) {
		if len(b.orgs) > 0 {
			if b.results, err = i.orgs.Add(ctx, b.orgs); err != nil {
				return err
			}
		}
		close(b.done)
	}
	return ctx.Err()
}

// until yields the blocks until none are left or ctx is done.
func until(ctx context.Context, blocks <-chan *block) iter.Seq[*block] {
	return func(yield func(*block) bool) {
		for {
			select {
			case b, ok := <-blocks:
				if !ok || !yield(b) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// report reports the results in the order of the lines.
func (i *importer) report(ctx context.Context) error {
	for b := range until(ctx, i.inOrder) {
		select {
		case <-b.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		i.count(b)
		i.Progress(Progress{Bytes: b.end, Counts: i.counts})
	}
	return nil
}

func (i *importer) count(b *block) {
	refused := b.refused
	tellUpTo := func(line int) {
		for len(refused) > 0 && refused[0].Line < line {
			i.refuse(refused[0])
			refused = refused[1:]
		}
	}
	for n, result := range b.results {
		line := b.lines[n]
		tellUpTo(line)
		switch result.Outcome {
		case orgs.ImportAdded:
			i.counts.Imported++
		case orgs.ImportPresent:
			i.counts.Present++
		case orgs.ImportDiffers:
			i.counts.Different++
			i.Told(Told{Line: line, OrgID: result.OrgID, Fields: result.Fields})
		case orgs.ImportRefused:
			i.refuse(Told{Line: line, Reason: result.Reason})
		}
	}
	for _, told := range refused {
		i.refuse(told)
	}
}

func (i *importer) refuse(told Told) {
	i.counts.Refused++
	i.Told(told)
}
