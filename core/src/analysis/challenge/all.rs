//! The challenges.

use super::{
    Challenge,
    condition::Condition::{
        AtLeast, AtMost, Available, EachThreadHelps, EndedBy, Handled, SpeedUp,
    },
};

const MS: u64 = 1_000_000;
const KIB: u64 = 1024;

impl Challenge {
    /// All challenges, in the order of the scenarios.
    pub const ALL: &[Challenge] = ALL;

    /// Returns the challenge of a scenario.
    #[must_use]
    pub fn find(scenario: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|it| it.scenario == scenario)
    }
}

const ALL: &[Challenge] = &[
    Challenge {
        scenario: "observer",
        title: "Deliver every reading",
        task: "Display fails on every second reading. Deliver all six to Logger, and let no reading fail.",
        load: &[
            ("readings", "6"),
            ("interval", "400"),
            ("arrivals", "regular"),
            ("times", "jittered"),
            ("change", "nothing"),
            ("reentry", "none"),
            ("fail", "display"),
        ],
        start: &[("policy", "fail-fast"), ("errors", "unobserved")],
        goals: &[
            ("Logger handles every reading", Handled("Logger", 6)),
            ("no reading fails", AtMost("failed", 0)),
        ],
    },
    Challenge {
        scenario: "decoupling",
        title: "Respond fast, lose no mail",
        task: "A mail takes twice as long as the time between two sign-ups. Keep the sign-up p99 within 50 ms without dropping anything.",
        load: &[
            ("users", "40"),
            ("interval", "100"),
            ("email_latency", "200"),
            ("arrivals", "poisson"),
            ("times", "lognormal"),
            ("cv", "1"),
            ("fail", "none"),
        ],
        start: &[
            ("design", "direct"),
            ("added", "none"),
            ("inbox", "4"),
            ("overflow", "wait"),
        ],
        goals: &[
            ("the sign-up p99 is at most 50 ms", AtMost("p99", 50 * MS)),
            ("every user gets a mail", Handled("EmailService", 40)),
            ("nothing is dropped", AtMost("dropped", 0)),
        ],
    },
    Challenge {
        scenario: "backpressure",
        title: "256 KiB at full speed",
        task: "The source ignores a full queue, so memory grows with the input. Keep it within 256 KiB, lose nothing, and keep the destination busy.",
        load: &[
            ("chunk", "64"),
            ("chunks", "120"),
            ("read", "15"),
            ("write", "45"),
            ("times", "jittered"),
            ("inject", "nothing"),
        ],
        start: &[("heed", "ignore"), ("mark", "1024")],
        goals: &[
            (
                "the queue never holds more than 256 KiB",
                AtMost("bytes", 256 * KIB),
            ),
            ("all 120 chunks arrive", AtLeast("done", 120)),
            ("the run takes at most 6 s", AtMost("duration", 6_000 * MS)),
        ],
    },
    Challenge {
        scenario: "pipeline",
        title: "Three times as fast, in 4 KiB",
        task: "The file takes six seconds. Process it in two, reading at most 4 KiB ahead. Find the bottleneck.",
        load: &[
            ("lines", "1600"),
            ("chunk", "1"),
            ("read", "10"),
            ("compress", "60"),
            ("write", "15"),
            ("times", "jittered"),
            ("fail", "none"),
        ],
        start: &[("window", "1"), ("mark", "64")],
        goals: &[
            ("the run takes at most 2 s", AtMost("duration", 2_000 * MS)),
            ("at most 4 KiB are read ahead", AtMost("bytes", 4 * KIB)),
            ("every batch is written", AtLeast("done", 80)),
        ],
    },
    Challenge {
        scenario: "taxonomy",
        title: "Spare the bank",
        task: "The bank is down for a while. Every error is retried and shown to the client. Retry only transient errors, stop calling a bank that is down, and expose no internals.",
        load: &[
            ("requests", "100"),
            ("interval", "30"),
            ("arrivals", "jittered"),
            ("latency", "20"),
            ("times", "jittered"),
            ("invalid", "6"),
            ("not_found", "6"),
            ("conflict", "5"),
            ("rate_limited", "4"),
            ("timeout", "20"),
            ("outage", "600"),
            ("bug", "10"),
        ],
        start: &[("design", "catch_all"), ("breaker", "off")],
        goals: &[
            ("no response shows internals", AtMost("exposed", 0)),
            ("there are at most 20 retries", AtMost("retries", 20)),
            ("transient errors are retried", AtLeast("retries", 1)),
            (
                "the bank gets at most ten calls while it is down",
                EndedBy("the bank is down", 10),
            ),
        ],
    },
    Challenge {
        scenario: "handler",
        title: "Never wrong, mostly available",
        task: "One request in twelve hits a bug that is swallowed and corrupts the books. Give no wrong answer, and serve 85 % of the requests.",
        load: &[
            ("requests", "120"),
            ("interval", "30"),
            ("latency", "60"),
            ("arrivals", "poisson"),
            ("times", "lognormal"),
            ("cv", "1"),
            ("bug_every", "12"),
            ("operational", "10"),
        ],
        start: &[("policy", "swallow"), ("restarts", "5")],
        goals: &[
            ("no answer is wrong", AtMost("wrong", 0)),
            ("85 % of the requests are served", Available(850)),
        ],
    },
    Challenge {
        scenario: "blocking",
        title: "Survive a burst of work",
        task: "Twelve requests with a job arrive at once. Keep the loop lag within 20 ms, and reject none.",
        load: &[
            ("size", "200"),
            ("every", "20"),
            ("requests", "60"),
            ("interval", "30"),
            ("work", "1"),
            ("arrivals", "poisson"),
            ("times", "lognormal"),
            ("cv", "1"),
            ("inject", "burst"),
        ],
        start: &[("run", "loop")],
        goals: &[
            ("the loop lag p99 is at most 20 ms", AtMost("lag", 20 * MS)),
            ("no request is rejected", AtMost("refused", 0)),
            (
                "the request p99 is at most 1.5 s",
                AtMost("p99", 1_500 * MS),
            ),
        ],
    },
    Challenge {
        scenario: "threads",
        title: "Only threads that help",
        task: "Eight threads, six jobs: some threads are idle. Choose threads and jobs so that each added thread helps, and all together are 3.5 times as fast as the loop.",
        load: &[("measure", "speed-up"), ("size", "10"), ("times", "fixed")],
        start: &[("threads", "8"), ("jobs", "6")],
        goals: &[
            (
                "all threads are 3.5 times as fast as the loop",
                SpeedUp(350),
            ),
            ("each added thread helps", EachThreadHelps),
        ],
    },
    Challenge {
        scenario: "cluster",
        title: "Reload without failures",
        task: "Deploy a new version under full load. Answer every request, and keep the p99 within 50 ms.",
        load: &[
            ("event", "reload"),
            ("users", "0"),
            ("requests", "200"),
            ("interval", "10"),
            ("arrivals", "jittered"),
            ("work", "25"),
            ("times", "fixed"),
            ("startup", "200"),
        ],
        start: &[("restart", "stop_then_start"), ("workers", "2")],
        goals: &[
            ("every request is answered", AtMost("failed", 0)),
            ("the request p99 is at most 50 ms", AtMost("p99", 50 * MS)),
        ],
    },
];
