package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"colorstream/generator/service"
	"colorstream/worker/spool"
)

const spoolSummary = `What the worker has on disk in WORKER_SPOOL_DIR. All but resend only read, and may be used while a worker runs.

Usage:
  worker spool ls [-json]      what waits for InfluxDB, and what InfluxDB refused (the quarantine)
  worker spool verify [-json]  check every record; exit status 1 if something is damaged
  worker spool export          what waits, as line protocol, to standard output
  worker spool resend          send the quarantine again; what InfluxDB takes is removed from it

Variables: WORKER_SPOOL_DIR; for resend also INFLUX_URL, INFLUX_ORG, INFLUX_BUCKET and INFLUX_TOKEN or INFLUX_TOKEN_FILE.
`

// spoolConfig is the part of config that reading the spool needs: not a token.
type spoolConfig struct {
	SpoolDir string `env:"WORKER_SPOOL_DIR" envDefault:"data/spool"`
}

// spoolCommand is `worker spool`; args are the words behind it.
func spoolCommand(ctx context.Context, p service.Process, args []string) error {
	if len(args) == 0 || slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		_, err := io.WriteString(p.Stdout, spoolSummary)
		return err
	}
	flags := flag.NewFlagSet("spool "+args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the error says it
	asJSON := new(bool)
	if args[0] == "ls" || args[0] == "verify" {
		flags.BoolVar(asJSON, "json", false, "")
	}
	if err := flags.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		_, err := io.WriteString(p.Stdout, spoolSummary)
		return err
	} else if err != nil {
		return service.Usage(fmt.Errorf("spool %s: %w (worker spool help)", args[0], err))
	}
	if flags.NArg() > 0 {
		return service.Usage(fmt.Errorf("spool %s takes no arguments, and got %q (worker spool help)", args[0], flags.Args()))
	}
	cfg, err := service.ParseConfig[spoolConfig](p.Environ)
	if err != nil {
		return err
	}
	switch args[0] {
	case "ls":
		return spoolList(p.Stdout, cfg.SpoolDir, *asJSON, time.Now())
	case "verify":
		return spoolVerify(p.Stdout, cfg.SpoolDir, *asJSON)
	case "export":
		return spoolExport(ctx, p.Stdout, cfg.SpoolDir)
	case "resend":
		return spoolResend(ctx, p)
	}
	return service.Usage(fmt.Errorf("unknown command %q: try worker spool help", "spool "+args[0]))
}

// inspectSpool is spool.Inspect with an error for people.
func inspectSpool(dir string, visit func(file string, record spool.Record) error) ([]spool.Listing, error) {
	list, err := spool.Inspect(spool.OS{}, dir, visit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("WORKER_SPOOL_DIR=%q: there is no such folder; has a worker run with it?", dir)
	}
	return list, err
}

// spoolVerify reads every record. The files kept because of damage count as damage too.
func spoolVerify(w io.Writer, dir string, asJSON bool) error {
	list, err := inspectSpool(dir, nil)
	if err != nil {
		return err
	}
	damaged, records := 0, 0
	for _, l := range list {
		records += l.Waiting + l.Done
		damaged += len(l.Damage)
	}
	if asJSON {
		if list == nil {
			list = []spool.Listing{}
		}
		if err := writeJSON(w, list); err != nil {
			return err
		}
	} else {
		out := bufio.NewWriter(w)
		for _, l := range list {
			fmt.Fprintf(out, "%s: %d records are good", l.File, l.Waiting+l.Done)
			if l.Torn > 0 {
				fmt.Fprintf(out, ", %d bytes at the end are of an append that is not complete", l.Torn)
			}
			fmt.Fprintln(out)
			for _, d := range l.Damage {
				fmt.Fprintf(out, "%s: %d bytes from offset %d: %s\n", l.File, d.Bytes, d.Offset, d.What)
			}
		}
		fmt.Fprintf(out, "%d segments, %d good records, %d damaged places\n", len(list), records, damaged)
		if err := out.Flush(); err != nil {
			return err
		}
	}
	if damaged > 0 {
		return &service.ExitError{Status: 1, Err: fmt.Errorf("WORKER_SPOOL_DIR=%q: %d places are damaged", dir, damaged)}
	}
	return nil
}

// spoolExport writes what waits; a record whose last line does not end gets its line break.
func spoolExport(ctx context.Context, w io.Writer, dir string) error {
	out := bufio.NewWriter(w)
	list, err := inspectSpool(dir, func(_ string, record spool.Record) error {
		_, err := out.Write(record.Data)
		if err == nil && record.Data[len(record.Data)-1] != '\n' {
			err = out.WriteByte('\n')
		}
		return errors.Join(err, ctx.Err())
	})
	if err = errors.Join(err, out.Flush()); err != nil {
		return err
	}
	for _, l := range list {
		if len(l.Damage) > 0 && l.State != "damaged" {
			return errors.New("some records are damaged and were left out (worker spool verify)")
		}
	}
	return nil
}

func spoolResend(ctx context.Context, p service.Process) error {
	cfg, err := service.ParseConfig[config](p.Environ)
	if err != nil {
		return err
	}
	client, err := newClient(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	sum, err := quarantineOf(cfg.SpoolDir).Resend(ctx, client)
	fmt.Fprintf(p.Stdout, "%d lines written to InfluxDB, %d refused again", sum.Written, sum.Refused)
	if sum.Damaged > 0 {
		fmt.Fprintf(p.Stdout, ", %d entries that cannot be read (kept as .damaged)", sum.Damaged)
	}
	fmt.Fprintln(p.Stdout)
	if err != nil {
		return fmt.Errorf("what was not sent stays in the quarantine: %w", err)
	}
	if sum.Refused > 0 {
		return fmt.Errorf("%d lines were refused again (worker spool ls tells why)", sum.Refused)
	}
	return nil
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
