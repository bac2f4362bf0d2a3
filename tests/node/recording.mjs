// Shared by the recorders: options, random numbers and JSON lines. The first
// line is a header; each other line contains a script with its trace.

import { parseArgs } from 'node:util';

/**
 * Runs `count` random scripts and prints them with their traces.
 *
 * `randomScript(below)` returns a script; `below(n)` returns random numbers less
 * than n. `run(script)` returns its trace or a promise of the trace.
 */
export async function record(name, randomScript, run) {
  // A closed pipe is not an error.
  process.stdout.on('error', (error) => {
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
  const { seed, count } = options(name);
  await write(JSON.stringify({ format: 1, node: process.version, seed, count }));
  for (let number = 0; number < count; number += 1) {
    const script = randomScript(random(seed * 1_000_003 + number));
    script.trace = await run(script);
    await write(JSON.stringify(script));
  }
}

function options(name) {
  const help = `Usage: node record-${name}.mjs [--seed SEED] [--count COUNT]

  --seed SEED    whole number from 0 to 2147483647 (default 1)
  --count COUNT  number of scripts, from 1 to 10000000 (default 100)

Example: node record-${name}.mjs --seed 7 --count 1000 > ${name}.jsonl`;
  const fail = (message) => {
    process.stderr.write(`record-${name}: ${message}\n`);
    process.exit(2);
  };
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        seed: { type: 'string', default: '1' },
        count: { type: 'string', default: '100' },
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (error) {
    fail(`${error.message}\n${help}`);
  }
  if (values.help) {
    process.stdout.write(`${help}\n`);
    process.exit(0);
  }
  const wholeNumber = (option, min, max) => {
    const text = values[option];
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      fail(`--${option} ${text}: expected a whole number from ${min} to ${max}`);
    }
    return value;
  };
  return { seed: wholeNumber('seed', 0, 2147483647), count: wholeNumber('count', 1, 10_000_000) };
}

/** Writes a line. Returns a promise if the output buffer is full. */
function write(line) {
  if (process.stdout.write(`${line}\n`)) {
    return undefined;
  }
  return new Promise((resolve) => {
    process.stdout.once('drain', resolve);
  });
}

/** Returns a random number generator: the upper bits of an LCG. */
function random(seed) {
  let state = (BigInt(seed) ^ 0x5deece66dn) & ((1n << 48n) - 1n);
  return (n) => {
    state = (state * 0x5deece66dn + 11n) & ((1n << 48n) - 1n);
    return Number((state >> 17n) % BigInt(n));
  };
}
