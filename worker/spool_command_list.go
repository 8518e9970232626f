package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"colorstream/worker/influx"
	"colorstream/worker/spool"
)

// spoolReport is what `worker spool ls -json` prints.
type spoolReport struct {
	Dir      string          `json:"dir"`
	Records  int             `json:"records"`
	Lines    int             `json:"lines"`
	Bytes    int64           `json:"bytes"`
	Oldest   time.Time       `json:"oldest,omitzero"`
	Segments []segmentReport `json:"segments"`

	Quarantine quarantineReport `json:"quarantine"`
}

type segmentReport struct {
	spool.Listing
	Lines int `json:"lines"`
}

type quarantineReport struct {
	Lines   int            `json:"lines"`
	Bytes   int64          `json:"bytes"`
	Damaged int            `json:"damaged"`
	Reasons []reasonReport `json:"reasons"`
}

// reasonReport sums up the lines that were refused for one reason.
type reasonReport struct {
	Reason  string    `json:"reason"`
	Lines   int       `json:"lines"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	Example string    `json:"example"`
}

// maxReasons is how many reasons are told apart.
const maxReasons = 100

func readSpool(dir string) (spoolReport, error) {
	report := spoolReport{Dir: dir, Segments: []segmentReport{}}
	lines := map[string]int{}
	list, err := inspectSpool(dir, func(file string, record spool.Record) error {
		lines[file] += countLines(record.Data)
		return nil
	})
	if err != nil {
		return report, err
	}
	for _, l := range list {
		report.Segments = append(report.Segments, segmentReport{l, lines[l.File]})
		if report.Records == 0 {
			report.Oldest = l.Oldest
		}
		report.Records += l.Waiting
		report.Lines += lines[l.File]
		report.Bytes += l.WaitingBytes
	}
	report.Quarantine, err = readQuarantine(quarantineOf(dir))
	return report, err
}

func quarantineOf(dir string) *influx.Quarantine {
	return influx.NewQuarantine(slog.New(slog.DiscardHandler), influx.QuarantineConfig{Dir: filepath.Join(dir, quarantineDir)})
}

func readQuarantine(q *influx.Quarantine) (quarantineReport, error) {
	report := quarantineReport{Reasons: []reasonReport{}}
	var err error
	report.Damaged, err = q.Each(func(e influx.Quarantined) error {
		report.Lines++
		i := slices.IndexFunc(report.Reasons, func(r reasonReport) bool { return r.Reason == e.Reason })
		if i < 0 {
			if i = len(report.Reasons); i == maxReasons {
				return nil
			}
			report.Reasons = append(report.Reasons, reasonReport{Reason: e.Reason, First: e.At, Example: string(e.Text())})
		}
		report.Reasons[i].Lines++
		report.Reasons[i].Last = e.At
		return nil
	})
	if err != nil {
		return report, err
	}
	report.Bytes, err = q.Bytes()
	return report, err
}

// countLines counts lines, the last of which need not end.
func countLines(text []byte) int {
	n := bytes.Count(text, []byte("\n"))
	if len(text) > 0 && text[len(text)-1] != '\n' {
		n++
	}
	return n
}

func spoolList(w io.Writer, dir string, asJSON bool, now time.Time) error {
	report, err := readSpool(dir)
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(w, report)
	}
	out := bufio.NewWriter(w)
	if report.Records == 0 {
		fmt.Fprintf(out, "%s: nothing waits for InfluxDB.\n", dir)
	} else {
		fmt.Fprintf(out, "%s: %d records with %d lines (%d bytes) wait for InfluxDB, the oldest for %v.\n",
			dir, report.Records, report.Lines, report.Bytes, now.Sub(report.Oldest).Round(time.Second))
	}
	if len(report.Segments) > 0 {
		fmt.Fprintln(out)
		t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(t, "SEGMENT\tWAITING\tLINES\tBYTES\tDONE\tFROM\tTO\tREMARK")
		for _, s := range report.Segments {
			fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\n",
				s.File, s.Waiting, s.Lines, s.WaitingBytes, s.Done, shortTime(s.Oldest), shortTime(s.Newest), remark(s.Listing))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	q := report.Quarantine
	if q.Lines+q.Damaged > 0 {
		fmt.Fprintf(out, "\nInfluxDB refused %d lines; they are in %s (worker spool resend sends them again).\n\n", q.Lines, filepath.Join(dir, quarantineDir))
		t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(t, "LINES\tFROM\tTO\tREASON\tEXAMPLE")
		for _, r := range q.Reasons {
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\n", r.Lines, shortTime(r.First), shortTime(r.Last), printable(r.Reason), printable(r.Example))
		}
		if err := t.Flush(); err != nil {
			return err
		}
		if q.Damaged > 0 {
			fmt.Fprintf(out, "%d entries there cannot be read.\n", q.Damaged)
		}
	}
	return out.Flush()
}

func shortTime(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.UTC().Format("2006-01-02T15:04:05Z")
}

// printable is text on one line of a terminal.
func printable(text string) string {
	const most = 100
	quoted := fmt.Sprintf("%q", text)
	quoted = strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	if len(quoted) > most {
		quoted = strings.ToValidUTF8(quoted[:most], "") + "…"
	}
	return quoted
}

func remark(l spool.Listing) string {
	switch {
	case l.State == "damaged":
		return "kept because of damage; its readable records were sent"
	case len(l.Damage) > 0:
		return fmt.Sprintf("damaged in %d places", len(l.Damage))
	case l.Torn > 0:
		return fmt.Sprintf("%d bytes of an append that is not complete", l.Torn)
	case l.State == "open":
		return "being written"
	}
	return ""
}
