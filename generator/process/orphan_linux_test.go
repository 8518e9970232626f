package process

import (
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

func TestChildDiesWithItsOwner(t *testing.T) {
	t.Parallel()
	owner, _ := play(t, "owner")
	pid, err := strconv.Atoi(waitFor(t, owner, "child "))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, owner, "ready")
	// The owner alone: Kill would end its whole group.
	if err := syscall.Kill(owner.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); !gone(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the child lives on")
		}
	}
}

// gone reports whether the process has ended, whoever has yet to collect it.
func gone(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	return err != nil || len(text) == 0
}
