package redistest

// A Host is a machine of a Network: a namespace with an address of its own.
type Host struct {
	Addr   string   // its IP address
	Within []string // the beginning of a command line that runs a program there
}
