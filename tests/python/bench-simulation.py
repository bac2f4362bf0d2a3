"""An M/M/1 queue in SimPy. Prints the requests per second and the mean wait in ms.

Usage: bench-simulation.py REQUESTS
"""

import json
import random
import sys
import time

import simpy

REQUESTS = int(sys.argv[1])
INTERVAL_MS = 10.0
SERVICE_MS = 8.0


def arrivals(env, queue, draws):
    for _ in range(REQUESTS):
        yield env.timeout(draws.expovariate(1 / INTERVAL_MS))
        queue.put(env.now)


def server(env, queue, draws, waits):
    for _ in range(REQUESTS):
        arrived = yield queue.get()
        waits[0] += env.now - arrived
        yield env.timeout(draws.expovariate(1 / SERVICE_MS))


env = simpy.Environment()
queue = simpy.Store(env)
waits = [0.0]
began = time.perf_counter()
env.process(arrivals(env, queue, random.Random(1)))
env.process(server(env, queue, random.Random(2), waits))
env.run()
rate = REQUESTS / (time.perf_counter() - began)
print(json.dumps({"requests_per_second": rate, "mean_wait_ms": waits[0] / REQUESTS}))
