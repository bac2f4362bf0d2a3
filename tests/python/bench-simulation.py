"""An M/M/1 queue in SimPy. Prints the requests per second of CPU time and the
mean wait in ms.

Usage: bench-simulation.py DESIGN REQUESTS

The designs are those of `tests/src/bench/simulation/queue.rs`.
"""

import json
import random
import sys
import time
from collections import deque

import simpy

DESIGN = sys.argv[1]
REQUESTS = int(sys.argv[2])
INTERVAL_MS = 10.0
SERVICE_MS = 8.0


def arrivals(env, put, draws):
    for _ in range(REQUESTS):
        yield env.timeout(draws.expovariate(1 / INTERVAL_MS))
        put(env.now)


# As in the "bank" example of SimPy's documentation: a process per customer.
def customers(env, server, draws, service_draws, waits):
    for _ in range(REQUESTS):
        yield env.timeout(draws.expovariate(1 / INTERVAL_MS))
        env.process(customer(env, server, service_draws, waits))


def customer(env, server, draws, waits):
    arrived = env.now
    with server.request() as request:
        yield request
        waits[0] += env.now - arrived
        yield env.timeout(draws.expovariate(1 / SERVICE_MS))


# A Store between two processes.
def idiomatic_server(env, store, draws, waits):
    for _ in range(REQUESTS):
        arrived = yield store.get()
        waits[0] += env.now - arrived
        yield env.timeout(draws.expovariate(1 / SERVICE_MS))


class Waiting:
    """A deque, and an event only while the server is idle."""

    def __init__(self):
        self.arrivals = deque()
        self.idle = None

    def put(self, arrived):
        self.arrivals.append(arrived)
        if self.idle:
            self.idle.succeed()
            self.idle = None


def tuned_server(env, waiting, draws, waits):
    arrivals = waiting.arrivals
    for _ in range(REQUESTS):
        if not arrivals:
            waiting.idle = env.event()
            yield waiting.idle
        waits[0] += env.now - arrivals.popleft()
        yield env.timeout(draws.expovariate(1 / SERVICE_MS))


env = simpy.Environment()
waits = [0.0]
arrival_draws, service_draws = random.Random(1), random.Random(2)
began = time.process_time()
if DESIGN == "documented":
    server = simpy.Resource(env, capacity=1)
    env.process(customers(env, server, arrival_draws, service_draws, waits))
else:
    queue, server = {
        "idiomatic": lambda: (simpy.Store(env), idiomatic_server),
        "tuned": lambda: (Waiting(), tuned_server),
    }[DESIGN]()
    env.process(arrivals(env, queue.put, arrival_draws))
    env.process(server(env, queue, service_draws, waits))
env.run()
rate = REQUESTS / (time.process_time() - began)
print(json.dumps({"requests_per_second": rate, "mean_wait_ms": waits[0] / REQUESTS}))
