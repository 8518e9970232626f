// Package influx brings line protocol to InfluxDB 2 and loses none of it: what it rejects for ever
// is given back, to become a dead letter, and all else is tried again for as long as its caller's
// try does so.
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
//	| 401, 403                     | denied     | tried again; somebody must mend it              |
//	| 404                          | missing    | the same                                        |
//	| 3xx, other 4xx, and 400, 422 | unexpected | the same: this is no InfluxDB 2, or it stands   |
//	| of another form              |            | behind something else                           |
//	| 408, 429                     | throttled  | tried again                                     |
//	| 5xx                          | server     | tried again                                     |
//	| none, or half of one         | network    | tried again                                     |
//
// InfluxDB rejects in two ways. At 400 it could not parse some line and wrote none. At 422 it wrote
// the others and says how many it dropped: those that are older than the bucket's retention, or
// those whose field has another type. Which of the latter is known if it is all; otherwise, as
// after 400, the request is halved until single lines are left. Writing a line twice does no harm:
// a point's time and colour stay the same.
//
// Requests go through WriteAPIBlocking of the official client, compressed, at most 5000 lines and
// 4 MiB each. No proxy of the environment is used, and no redirect is followed. An error never
// holds the token. Retry-After is read in either form, at most two minutes.
package influx
