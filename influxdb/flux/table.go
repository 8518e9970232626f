package flux

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Table is one Flux table: its group key, and rows of the other columns.
type Table struct {
	Key     map[string]string
	Columns []string
	Rows    [][]any // string, float64, int64, bool, time.Time or nil for null
}

// Value is one moment of a series; V is nil for null.
type Value struct {
	Time time.Time
	V    any
}

// Column returns a column's place, or -1.
func (t Table) Column(name string) int { return slices.Index(t.Columns, name) }

// Name returns what Grafana calls the series by default: the column _field if
// the key has one, else the only label's value.
func (t Table) Name() string {
	if name, ok := t.Key["_field"]; ok {
		return name
	}
	if len(t.Key) == 1 {
		for _, value := range t.Key {
			return value
		}
	}
	return ""
}

// Series returns the columns _time and _value, or false if the table lacks one.
func (t Table) Series() ([]Value, bool) {
	at, value := t.Column("_time"), t.Column("_value")
	if at < 0 || value < 0 {
		return nil, false
	}
	out := make([]Value, 0, len(t.Rows))
	for _, row := range t.Rows {
		moment, ok := row[at].(time.Time)
		if !ok {
			return nil, false
		}
		out = append(out, Value{moment, row[value]})
	}
	return out, true
}

// parse reads annotated CSV: for each kind of table three annotation lines, a
// header, then rows. A blank line stands between kinds.
func parse(data []byte) ([]Table, error) {
	var (
		tables          []Table
		groups, types   []string
		defaults        []string
		header, pending []string
		number          = -1 // the column called table
		current         = ""
	)
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord, r.ReuseRecord = -1, false
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return tables, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read annotated CSV: %w", err)
		}
		switch record[0] {
		case "#group":
			groups, header = record, nil
			continue
		case "#datatype":
			types, header = record, nil
			continue
		case "#default":
			defaults, header = record, nil
			continue
		}
		if header == nil {
			if slices.Contains(record, "error") && !slices.Contains(record, "table") {
				pending = record
				header = record
				continue
			}
			header, number, current = record, slices.Index(record, "table"), ""
			continue
		}
		if pending != nil {
			return nil, fmt.Errorf("InfluxDB broke off: %s", strings.Join(record, " "))
		}
		if n := len(header); number < 0 || len(record) != n || len(types) != n || len(groups) != n {
			return nil, fmt.Errorf("read annotated CSV: a row has %d columns, its header %d", len(record), n)
		}
		if record[number] != current || len(tables) == 0 {
			current = record[number]
			t := Table{Key: map[string]string{}}
			for i, name := range header {
				switch {
				case i <= number:
				case groups[i] == "true":
					t.Key[name] = record[i]
				default:
					t.Columns = append(t.Columns, name)
				}
			}
			tables = append(tables, t)
		}
		t := &tables[len(tables)-1]
		row := make([]any, 0, len(t.Columns))
		for i := number + 1; i < len(header); i++ {
			if groups[i] == "true" {
				continue
			}
			value, err := decode(record[i], types[i], defaults[i])
			if err != nil {
				return nil, fmt.Errorf("column %s: %w", header[i], err)
			}
			row = append(row, value)
		}
		t.Rows = append(t.Rows, row)
	}
}

func decode(text, kind, def string) (any, error) {
	if text == "" {
		text = def
	}
	if text == "" && kind != "string" {
		return nil, nil
	}
	switch kind {
	case "double":
		return strconv.ParseFloat(text, 64)
	case "long":
		return strconv.ParseInt(text, 10, 64)
	case "unsignedLong":
		return strconv.ParseUint(text, 10, 64)
	case "boolean":
		return strconv.ParseBool(text)
	case "dateTime:RFC3339", "dateTime:RFC3339Nano":
		return time.Parse(time.RFC3339Nano, text)
	default:
		return text, nil
	}
}
