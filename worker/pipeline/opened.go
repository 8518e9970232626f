package pipeline

import "colorstream/worker/window"

// opened are the open windows, and the counts of all messages up to then.
type opened struct {
	window.State
	Counts Counts
}

// openFileContent is how opened stands in its file: gob goes by the names of fields, and files of before there were
// counts have those of window.State.
type openFileContent struct {
	Closed                 []window.Interval
	Now, Newest, LastEvent int64
	Open                   []window.OpenWindow
	Counts                 Counts
}

func (o opened) file() openFileContent {
	return openFileContent{o.Closed, o.Now, o.Newest, o.LastEvent, o.Open, o.Counts}
}

func (c openFileContent) opened() (window.State, Counts) {
	return window.State{Closed: c.Closed, Now: c.Now, Newest: c.Newest, LastEvent: c.LastEvent, Open: c.Open}, c.Counts
}
