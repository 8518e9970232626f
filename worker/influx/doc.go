// Package influx brings line protocol from a queue to InfluxDB 2 and loses none of it: what InfluxDB takes is done,
// what it refuses for good is put into a file, and all else is kept and tried again.
//
// What an answer means:
//
//	| answer                       | class      | what is done                                                       |
//	|------------------------------|------------|--------------------------------------------------------------------|
//	| 2xx                          | –          | the lines are done                                                 |
//	| 400, 422 of InfluxDB's form  | refused    | the bad lines are found and quarantined, the others written        |
//	| 413                          | too_large  | smaller requests; a single line is quarantined                     |
//	| 401, 403                     | denied     | hold: keep all, try again, complain once a minute                  |
//	| 404                          | missing    | hold                                                               |
//	| 3xx, other 4xx, and 400, 422 | unexpected | hold: this is no InfluxDB 2, or it stands behind something else    |
//	| of another form              |            |                                                                    |
//	| 408, 429                     | throttled  | keep all, back off                                                 |
//	| 5xx                          | server     | keep all, back off                                                 |
//	| none, or half of one         | network    | keep all, back off                                                 |
//
// Backing off is exponential with full jitter, from 250 ms to 10 s, and no shorter than Retry-After asks for (in
// either form, at most two minutes).
//
// InfluxDB refuses in two ways. At 400 it could not parse some line and wrote none; it quotes the lines with the
// reason of each. At 422 (a field has another type, or the point is older than the bucket keeps) it wrote the others
// and says how many it dropped. Quoted lines are believed if they are, byte for byte, in the request, and a count if
// it is that of all lines; otherwise the request is halved until single lines are left. To believe InfluxDB wrongly
// would not lose a line: it would be in the quarantine and can be sent again. Nor does it hurt to write a line twice.
//
// Requests go through WriteAPIBlocking of the official client, compressed, one at a time, at most 5000 lines and
// 4 MiB each. No proxy of the environment is used, and no redirect is followed. An error never holds the token.
package influx
