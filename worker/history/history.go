// Package history writes files of any time, with rows in any order, to InfluxDB, beside the worker
// and without Redis:
//
//	files ──rows──► sorter ──rows in order──► window.Set ──panes──► lines ──► InfluxDB
//	               (memory, then disk)        (the worker's)       (the worker's sender)
//
// The files of one import add up; those of several do not: an import replaces the points of its
// windows and colours. Before the first point is written, the bucket is read: points that are there
// with other values are overwritten only if that is asked for. Points that are the same do not
// count, so that an import that was broken off can be started again.
//
// The rows are kept sorted, in memory or in a temporary file, until all is written; nothing else
// grows with the input.
package history

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"colorstream/generator/message"
	"colorstream/generator/progress"
	"colorstream/generator/service"
	"colorstream/generator/source"
	"colorstream/generator/tally"
	"colorstream/worker/window"
)

const helpText = `worker import writes your own data of any time to InfluxDB, without Redis:
CSV or JSON, plain or compressed with gzip or zstd, with the rows in any order.

  worker import [--overwrite] FILE...       (- is standard input)

Examples:

  worker import measurements.csv
  GENERATOR_INPUT_COLOR=sensor GENERATOR_INPUT_VALUE=temperature GENERATOR_INPUT_TIME=when \
    worker import log.csv
  GENERATOR_INPUT_COLOR==red GENERATOR_INPUT_TIME_FORMAT='%d.%m.%Y %H:%M' worker import 2024.csv.gz
  GENERATOR_INPUT_COLOR=tags.color GENERATOR_INPUT_VALUE=data.value \
    worker import january.jsonl february.jsonl

Files add up only if they are given together. Points that are in the bucket already with other
values are listed, and overwritten only with --overwrite. An import that was broken off can be
started again.

The exit status is 0 if all rows are in InfluxDB, 3 if some were rejected (each kind is counted, the
first are shown), 1 if the import failed, and 2 if the command line or a variable is wrong.

Variables, their defaults and meaning:

`

// Run is the command.
func Run(ctx context.Context, p service.Process) error {
	overwrite := false
	var files []string
	for _, arg := range p.Args {
		switch {
		case arg == "help" || arg == "-h" || arg == "-help" || arg == "--help":
			return help(p.Stdout)
		case arg == "--overwrite" || arg == "-overwrite":
			overwrite = true
		case len(arg) > 1 && arg[0] == '-':
			return service.Usage(fmt.Errorf(
				"import knows no option %s, only --overwrite (see `worker import --help`)", arg))
		default:
			files = append(files, arg)
		}
	}
	if len(files) == 0 {
		return service.Usage(errors.New(
			"import needs a file: worker import [--overwrite] FILE... (see `worker import --help`)"))
	}
	config, err := service.ParseConfig[Config](withTokens(maps.Clone(p.Environ)))
	if err != nil {
		return err
	}
	status := progress.NewReporter(p.Stderr, p.Environ["TERM"], string(config.Log.Format))
	log := config.Log.New(status, "import")
	for _, name := range service.UnknownVariables(p.Environ, "GENERATOR_INPUT_", config) {
		log.Warn("no such variable: it is ignored (worker import --help lists all)", "variable", name)
	}
	i := &importer{
		log: log, config: config, overwrite: overwrite, tally: tally.New(),
		sorter: source.NewSorter(config.MaxSort, os.TempDir()), colors: make(map[string]bool),
		first: math.MaxInt64, last: math.MinInt64,
	}
	i.config.Source.History = true
	err = i.run(ctx, status, files, p.Stdin)
	err = errors.Join(err, i.sorter.Close(), i.tally.Print(p.Stdout, i.sums()...))
	if err == nil && ctx.Err() == nil {
		err = i.link(p.Stdout)
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("broken off after %d points: the same import, started again, goes on to the "+
			"same result", i.written.Load())
	case err != nil:
		return err
	case i.tally.Counts().Rejected > 0 || i.rejected.Load() > 0:
		return &service.ExitError{
			Status: 3, Err: errors.New("not all rows are in InfluxDB: what was rejected is listed above"),
		}
	}
	return nil
}

func help(w io.Writer) error {
	if _, err := io.WriteString(w, helpText); err != nil {
		return err
	}
	return service.WriteVariables(w, Config{})
}

// link says where the points can be seen. Grafana's dashboards show the newest minutes otherwise.
func (i *importer) link(w io.Writer) error {
	margin := max(i.config.Window, time.Duration(i.last-i.first)/50).Milliseconds()
	_, err := fmt.Fprintf(w, "see them at %s/d/colors?from=%d&to=%d\n",
		strings.TrimSuffix(i.config.GrafanaURL, "/"), i.first/1e6-margin, i.last/1e6+margin)
	return err
}

// sums are what became of the rows that were not rejected.
func (i *importer) sums() []tally.Sum {
	took, read := i.tally.Elapsed(), i.tally.Counts()
	sum := func(name string, n int64, note string) tally.Sum {
		return tally.Sum{Name: name, Count: n, Note: note}
	}
	return []tally.Sum{
		sum("accepted", read.Read-read.Rejected, ""),
		sum("points written", i.written.Load(), fmt.Sprintf("in %s", took.Round(time.Millisecond))),
		sum("  overwritten", i.conflicts, "had other values before"),
		sum("points rejected", i.rejected.Load(), "by InfluxDB; the log says why"),
	}
}

// run reads, looks and writes.
func (i *importer) run(
	ctx context.Context, status *progress.Reporter, files []string, stdin io.Reader,
) error {
	following, stop := context.WithCancel(ctx)
	var follower sync.WaitGroup
	follower.Go(func() { status.Follow(following, i.log, i.sample) })
	defer follower.Wait()
	defer stop()
	client, err := i.config.client(i.config.Token)
	if err != nil {
		return service.Usage(err)
	}
	defer client.Close()
	if err := client.Check(ctx); err != nil { // before a long file is read
		return err
	}
	reader, err := i.reader(ctx)
	if err != nil {
		return err
	}
	if reader != nil {
		defer reader.Close()
	}
	for _, file := range files {
		if err := i.read(ctx, file, stdin, len(files) > 1); err != nil {
			return err
		}
	}
	if i.sorter.Len() == 0 {
		if read := i.tally.Counts(); read.Rejected > 0 {
			return fmt.Errorf("nothing was imported: all %d rows were rejected, the first: %s",
				read.Rejected, read.Problems[0])
		}
		return errors.New("nothing was imported: there are no rows")
	}
	if reader != nil {
		if err := i.look(ctx, reader); err != nil {
			return err
		}
	}
	return i.write(ctx, client)
}

// read adds the rows of a file to the sorter.
func (i *importer) read(ctx context.Context, file string, stdin io.Reader, several bool) error {
	in, err := source.Open(file, stdin, i.config.Source)
	if err != nil {
		return err
	}
	defer in.Close()
	plan, err := in.Plan()
	if err != nil {
		return err
	}
	i.log.Info(plan)
	i.begin("reading "+in.Name, in.Size)
	for r, err := range in.All(ctx) {
		if err != nil {
			return err
		}
		i.steps.Add(1)
		i.done.Store(r.Offset)
		if r.Rejected != nil && several {
			r.Rejected = &message.Error{
				Reason: r.Rejected.Reason, Detail: r.Rejected.Detail + " (" + in.Name + ")",
			}
		}
		i.tally.Read(r)
		if r.Rejected != nil {
			continue
		}
		at := r.Time.UnixNano()
		i.first, i.last = min(i.first, at), max(i.last, at)
		if len(i.colors) <= maxFilter {
			i.colors[r.Color] = true
		}
		r.Name = "" // no point has it
		if err := i.sorter.Add(r); err != nil {
			return err
		}
	}
	return nil
}

// windows gives the panes of the sorted rows, in the order of time, and the rows that are in none.
func (i *importer) windows(
	ctx context.Context, each func(*window.Pane) error, rejected func(source.Record),
) error {
	set := window.NewSet(window.Config{
		Width: i.config.Window, Statistics: i.config.Statistics,
		MaxColors: i.config.MaxColors, MaxValues: i.config.MaxValues,
	})
	advance := func(now int64) error {
		for _, p := range set.Advance(now) {
			if err := each(p); err != nil {
				return err
			}
		}
		return nil
	}
	for r, err := range i.sorter.All() {
		if err != nil {
			return err
		}
		i.steps.Add(1)
		if n := i.done.Add(1); n%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		// The row's time is the source's: rows are in order, so that each window is final at its end.
		if at := r.Time.UnixNano(); at != set.Now() {
			if err := advance(at); err != nil {
				return err
			}
		}
		if set.Add(r.Color, r.Value) != window.Added {
			r.Rejected = &message.Error{
				Reason: tooManyColors,
				Detail: fmt.Sprintf("color %q is one too many in its window (WORKER_MAX_COLORS=%d)",
					r.Color, i.config.MaxColors),
			}
			rejected(r)
		}
	}
	return advance(math.MaxInt64)
}

// tooManyColors: a window is full of other colours.
const tooManyColors message.Reason = "too_many_colors"

// An importer is one import.
type importer struct {
	log       *slog.Logger
	config    Config
	overwrite bool
	tally     *tally.Tally
	sorter    *source.Sorter

	first, last int64           // times of the accepted rows
	colors      map[string]bool // theirs, as long as they are few
	conflicts   int64           // points that have other values in the bucket

	written, rejected atomic.Int64 // points
	steps             atomic.Int64 // rows handled, in all stages
	done              atomic.Int64 // of the present stage: bytes or rows

	mu    sync.Mutex // guards the fields below
	stage string
	begun time.Time
	size  int64 // of the stage, 0 if unknown
}

// begin begins a stage of the work.
func (i *importer) begin(stage string, size int64) {
	i.done.Store(0)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stage, i.size, i.begun = stage, size, time.Now()
}

func (i *importer) sample() progress.Sample {
	i.mu.Lock()
	defer i.mu.Unlock()
	read, written := i.tally.Counts().Read, i.written.Load()
	s := progress.Sample{
		Share: -1, Elapsed: time.Since(i.begun), Count: uint64(i.steps.Load()),
		Done:  fmt.Sprintf("%s: %d rows, %d points written", i.stage, read, written),
		Attrs: []any{"stage", i.stage, "rows", read, "points_written", written},
	}
	if i.size > 0 {
		s.Share = min(1, float64(i.done.Load())/float64(i.size))
	}
	return s
}
