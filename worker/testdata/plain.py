"""The plain Python worker of the comparison: redis-py, json and statistics, as small as it can be written."""
import json
import signal
import statistics
import sys
import time
from collections import defaultdict

import redis

url, channel = "redis://" + sys.argv[1], "colors"
windows, received, start = defaultdict(list), 0, time.time() // 5 * 5


def stop(*_):
    print(received)
    sys.exit()


signal.signal(signal.SIGTERM, stop)
p = redis.Redis.from_url(url).pubsub(ignore_subscribe_messages=True)
p.subscribe(channel)
for m in p.listen():
    if m is None:
        continue
    d = json.loads(m["data"])
    windows[d["color"]].append(d["value"])
    received += 1
    if received % 1000 == 0 and time.time() >= start + 5:
        for color, v in windows.items():
            statistics.fmean(v), statistics.median(v), min(v), max(v)
        windows.clear()
        start = time.time() // 5 * 5
