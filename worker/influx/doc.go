// Package influx brings line protocol from an outbox to InfluxDB 2 and loses none of it: what
// InfluxDB takes is removed, what it rejects for ever becomes a dead letter, and all else is kept
// and tried again.
//
// What an answer means:
//
//	| answer                       | class      | what is done                                    |
//	|------------------------------|------------|-------------------------------------------------|
//	| 2xx                          | –          | the points are written                          |
//	| 400, 422 of InfluxDB's form  | rejected   | the bad lines become dead letters, the others   |
//	|                              |            | are written                                     |
//	| 422 for points that are      | too_old    | those points are counted, the others are        |
//	| older than the bucket keeps  |            | written already                                 |
//	| 413                          | too_large  | smaller requests; a single line is a dead letter|
//	| 401, 403                     | denied     | kept and tried again; said once a minute        |
//	| 404                          | missing    | the same                                        |
//	| 3xx, other 4xx, and 400, 422 | unexpected | the same: this is no InfluxDB 2, or it stands   |
//	| of another form              |            | behind something else                           |
//	| 408, 429                     | throttled  | kept; back-off                                  |
//	| 5xx                          | server     | kept; back-off                                  |
//	| none, or half of one         | network    | kept; back-off                                  |
//
// The back-off is exponential with full jitter, from 250 ms to 10 s, and no shorter than
// Retry-After asks for (in either form, at most two minutes).
//
// InfluxDB rejects in two ways. At 400 it could not parse some line and wrote none; it quotes the
// lines with the reason of each. At 422 it wrote the others and says how many it dropped: those
// whose field has another type, or those that are older than the bucket's retention, which are the
// request's oldest. Quoted lines are believed if they are, byte for byte, in the request; a count
// of conflicts if it is that of all lines; otherwise the request is halved until single lines are
// left. Writing a line twice does no harm: a point's time and colour stay the same.
//
// Requests go through WriteAPIBlocking of the official client, compressed, at most 5000 lines and
// 4 MiB each. No proxy of the environment is used, and no redirect is followed. An error never
// holds the token.
package influx
