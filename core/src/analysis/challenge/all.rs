//! The tasks.

use super::{
    Challenge,
    Condition::{AtLeast, AtMost, Available, EachThreadHelps, EndedBy, Handled, SpeedUp},
};

const MS: u64 = 1_000_000;
const KIB: u64 = 1024;

pub(super) const ALL: &[Challenge] = &[
    Challenge {
        scenario: "observer",
        title: "Let nobody miss a reading",
        task: "Display fails at every second reading. Have Logger hear of all six all the same, and the sensor know nothing of the failures.",
        load: &[
            ("readings", "6"),
            ("interval", "400"),
            ("change", "nothing"),
            ("reentry", "none"),
            ("fail", "display"),
        ],
        start: &[("policy", "fail-fast"), ("errors", "unobserved")],
        goals: &[
            ("Logger hears every reading", Handled("Logger", 6)),
            ("no reading fails", AtMost("failed", 0)),
        ],
    },
    Challenge {
        scenario: "decoupling",
        title: "Answer at once, and lose no mail",
        task: "A mail takes twice as long as the time between two sign-ups. Keep the p99 of a sign-up within 50 ms, without dropping anything.",
        load: &[
            ("users", "40"),
            ("interval", "100"),
            ("email_latency", "200"),
            ("fail", "none"),
        ],
        start: &[
            ("design", "direct"),
            ("added", "none"),
            ("inbox", "4"),
            ("overflow", "wait"),
        ],
        goals: &[
            (
                "the p99 of a sign-up is 50 ms or less",
                AtMost("p99", 50 * MS),
            ),
            ("every user gets a mail", Handled("EmailService", 40)),
            ("nothing is dropped", AtMost("dropped", 0)),
        ],
    },
    Challenge {
        scenario: "backpressure",
        title: "A quarter of a megabyte, and not slower",
        task: "The source ignores a full queue, and memory grows with the input. Keep it within 256 KiB, lose nothing, and keep the destination busy.",
        load: &[
            ("chunk", "64"),
            ("chunks", "60"),
            ("read", "15"),
            ("write", "45"),
            ("inject", "nothing"),
        ],
        start: &[("heed", "ignore"), ("mark", "1024")],
        goals: &[
            (
                "the queue never holds more than 256 KiB",
                AtMost("bytes", 256 * KIB),
            ),
            ("all sixty chunks arrive", AtLeast("done", 60)),
            ("it is over within 3.2 s", AtMost("duration", 3_200 * MS)),
        ],
    },
    Challenge {
        scenario: "pipeline",
        title: "Three times as quick, in 4 KiB",
        task: "The file takes six seconds. Get it through in two, with no more than 4 KiB read ahead. What is it that everything waits for?",
        load: &[
            ("lines", "1600"),
            ("chunk", "1"),
            ("read", "10"),
            ("compress", "60"),
            ("write", "15"),
            ("fail", "none"),
        ],
        start: &[("window", "1"), ("mark", "64")],
        goals: &[
            ("it is over within 2 s", AtMost("duration", 2_000 * MS)),
            (
                "no more than 4 KiB are read ahead",
                AtMost("bytes", 4 * KIB),
            ),
            ("every batch is written", AtLeast("done", 80)),
        ],
    },
    Challenge {
        scenario: "taxonomy",
        title: "Spare the bank",
        task: "The bank is down for a while, and whatever goes wrong is retried and told to the client. Retry only what is worth it, leave a bank that is down alone, and keep internals to yourself.",
        load: &[
            ("requests", "100"),
            ("interval", "30"),
            ("latency", "20"),
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
            ("no answer shows internal detail", AtMost("exposed", 0)),
            ("there are no more than 20 retries", AtMost("retries", 20)),
            ("what is worth it is retried", AtLeast("retries", 1)),
            (
                "the bank is called no more than ten times while it is down",
                EndedBy("the bank is down", 10),
            ),
        ],
    },
    Challenge {
        scenario: "handler",
        title: "Never wrong, and nearly always there",
        task: "One request in twelve runs into a bug, which is swallowed, and the books are wrong from then on. Have no answer that is wrong, and 85 % of the requests served.",
        load: &[
            ("requests", "120"),
            ("interval", "30"),
            ("latency", "60"),
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
        title: "A burst of work, and a heart that beats on",
        task: "Twelve requests with a job come at once. Keep the loop's lag within 20 ms, and turn nobody away.",
        load: &[
            ("size", "200"),
            ("every", "20"),
            ("requests", "60"),
            ("interval", "30"),
            ("work", "1"),
            ("inject", "burst"),
        ],
        start: &[("run", "loop")],
        goals: &[
            (
                "the p99 of the loop's lag is 20 ms or less",
                AtMost("lag", 20 * MS),
            ),
            ("nobody is turned away", AtMost("refused", 0)),
            (
                "the p99 of a request is 1.5 s or less",
                AtMost("p99", 1_500 * MS),
            ),
        ],
    },
    Challenge {
        scenario: "threads",
        title: "As many threads as help, and no more",
        task: "Eight threads, six jobs: some have none. Choose threads and jobs so that each thread more makes it quicker, and all together are 3.5 times as quick as the loop.",
        load: &[("measure", "speed-up"), ("size", "20")],
        start: &[("threads", "8"), ("jobs", "6")],
        goals: &[
            (
                "with all threads it is 3.5 times as quick as on the loop",
                SpeedUp(350),
            ),
            ("each thread more makes it quicker", EachThreadHelps),
        ],
    },
    Challenge {
        scenario: "cluster",
        title: "A reload that nobody notices",
        task: "A new version is to be put in place under full load. Have every request answered, and the p99 stay within 50 ms meanwhile.",
        load: &[
            ("event", "reload"),
            ("users", "0"),
            ("requests", "200"),
            ("interval", "10"),
            ("work", "25"),
            ("startup", "200"),
        ],
        start: &[("restart", "stop_then_start"), ("workers", "2")],
        goals: &[
            ("every request is answered", AtMost("failed", 0)),
            (
                "the p99 of a request is 50 ms or less",
                AtMost("p99", 50 * MS),
            ),
        ],
    },
];
