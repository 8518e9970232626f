package main

const about = "generator publishes colour messages on Redis: " +
	"random ones, or those of your own file."

const notes = `Examples:

  GENERATOR_INTERVAL=0.2 generator
  GENERATOR_RATE=5000 GENERATOR_COUNT=100000 GENERATOR_SEED=1 generator
  GENERATOR_INPUT_VALUE=price GENERATOR_RATE=100 generator replay diamonds.csv
  GENERATOR_PACE=times GENERATOR_SPEED=60 generator replay log.jsonl
  jq -c '.items[]' data.json | GENERATOR_PACE=max generator replay -

At its end a replay asks the worker (WORKER_ADDR) what became of the rows. The exit status is 0 if
all were accepted; 3 if some make no message, or were late or otherwise rejected, or received by
nobody: they are counted, and what to do is said; 1 if nothing could be published or the input
cannot be read to its end; and 2 if the configuration is wrong. History is better imported: see
` + "`worker import --help`" + `.

`
