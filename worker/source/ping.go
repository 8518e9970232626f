package source

import (
	"context"
	"strconv"
	"strings"
	"time"
)

const (
	// pingEvery is the longest time between two pings.
	pingEvery = 250 * time.Millisecond
	// onTime is how late after a window's border its ping may be sent, and reach Redis, for the
	// windows on both sides to be complete. A process that is stopped, or starved, sends later.
	onTime = 250 * time.Millisecond
	// silentMost is how long a connection may bring nothing, not even an answer to a ping, before it
	// is given up.
	silentMost = 5 * time.Second
	// lateMark ends the payload of a ping that was sent too late.
	lateMark = "!"
	// A ping's payload is its time, and behind this mark its number on the connection.
	numberMark = "#"
)

// ping asks Redis for the time, so to say: it writes the worker's own on the subscribed connection,
// at each border of a window and a few times a second, for Redis to send it back behind all
// messages that it sent before. It gives a silent connection up.
func (p *PubSub) ping(ctx context.Context) {
	border := nextBorder(p.clock.now(), p.width)
	var pinged *conn
	var seen, number uint64
	silent := time.Duration(0) // slept without a read: a process that was stopped has slept no longer
	for {
		pause := min(time.Duration(border-p.clock.now()), pingEvery)
		if pause = max(pause, 0); !Sleep(ctx, pause) {
			return
		}
		now := p.clock.now()
		payload, passed := stamp(now, border, p.width)
		if passed {
			border = nextBorder(now, p.width)
		}
		c := p.conn.Load()
		if c == nil || !p.subscribed.Load() {
			pinged = nil
			continue
		}
		if reads := c.reads.Load(); c != pinged || reads != seen {
			if c != pinged {
				number = 0
			}
			pinged, seen, silent = c, reads, 0
		} else if silent += pause; silent >= p.silentMost {
			p.log.Warn("Redis sends nothing and does not answer pings; connecting anew",
				"address", p.opt.Addr, "silent", silent)
			_ = c.Close()
			continue
		}
		number++
		c.ping(payload + numberMark + strconv.FormatUint(number, 10))
	}
}

func nextBorder(now int64, width time.Duration) int64 {
	return now - now%int64(width) + int64(width)
}

// stamp makes a ping's payload: the border if it was just passed, else the time. A border that was
// passed too long ago, or with another one, marks it as late.
func stamp(now, border int64, width time.Duration) (payload string, passed bool) {
	switch {
	case now < border:
		return strconv.FormatInt(now, 10), false
	case now-border > int64(onTime) || now-border >= int64(width):
		return strconv.FormatInt(now, 10) + lateMark, true
	}
	return strconv.FormatInt(border, 10), true
}

// pong takes an answer: all that was published before its time was received. An answer that is
// missing before it shows that the connection lost what it carried.
func (p *PubSub) pong(payload string) {
	payload, numberText, _ := strings.Cut(payload, numberMark)
	number, _ := strconv.ParseUint(numberText, 10, 64) // 0 is none
	text, late := strings.CutSuffix(payload, lateMark)
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return // not one of ours
	}
	p.pongs++
	switch now := p.clock.now(); {
	case number != p.pongs:
		p.pongs = number
		p.missed(at, "answers to pings are missing: the connection to Redis lost what it carried")
	case late:
		p.missed(at, "a window's border was missed, since this process did not run")
	case at%int64(p.width) == 0 && p.overtaken(time.Duration(now-at)):
		p.missed(at+1, "a ping at a window's border was long under way to Redis") // in both windows
	default:
		p.time(at)
	}
}

// overtaken reports whether messages that were published later than onTime may have come before an
// answer that took so long. It did not wait behind them in the socket if that was empty meanwhile:
// then Redis had not had the ping yet.
func (p *PubSub) overtaken(took time.Duration) bool {
	late := took - min(onTime, p.width)
	c := p.conn.Load()
	return late > 0 && c != nil && c.hasWaited(late)
}

// missed tells that nothing is proven of the time up to an instant.
func (p *PubSub) missed(to int64, why string) {
	p.log.Warn(why+"; windows are incomplete", "for", time.Duration(to-p.now).Round(time.Millisecond))
	p.gap(to)
}
