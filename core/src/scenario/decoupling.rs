//! `decoupling`: one sign-up and three services that react to it.
//!
//! `UserService` has two designs. With `direct` it calls each service by name.
//! With `events` it emits `UserRegistered` and depends only on the bus. The
//! services and their failures are the same code in both.

mod checks;
mod names;
mod narrate;
mod service;
mod summary;
mod user_service;
mod wiring;

use super::{Context, Param, ParamUnit, Preset, Scenario, arrivals::Arrivals, load};
use futures_util::FutureExt;
use names::USER_SERVICE;
use service::{DownstreamService, ServiceProfile};
use user_service::UserService;
use wiring::BusWiring;

pub(super) static SCENARIO: Scenario = Scenario {
    name: "decoupling",
    chapter: "events",
    summary: "A sign-up and the services that react to it: called directly, or notified by an event",
    params: &[
        Param::choice(
            "design",
            "Design",
            "UserService reaches the others by an event on a bus, or by calling each by name.",
            &["events", "direct"],
        ),
        Param::choice(
            "listeners",
            "Listeners",
            "Run before emit returns (sync), or take events from an inbox in the background (async). Direct calls are always sync.",
            &["sync", "async"],
        ).only_with("design", "events"),
        Param::integer(
            "users",
            "Users",
            "Total number.",
            (ParamUnit::Count, 1, 10_000, 12),
        ),
        Param::integer(
            "interval",
            "Time between sign-ups",
            "Mean time between arrivals. Unless listeners are async, a sign-up waits until the one before is done.",
            (ParamUnit::Ms, 0, 10_000, 250),
        )
        .live(),
        load::arrivals("poisson"),
        load::BURST,
        Param::integer(
            "email_latency",
            "Email latency",
            "EmailService's mean time per mail.",
            (ParamUnit::Ms, 0, 5_000, 80),
        )
        .live(),
        load::times("lognormal"),
        load::CV,
        load::CAP,
        Param::choice(
            "fail",
            "Failing service",
            "The service with occasional operational failures.",
            &["email", "audit", "metrics", "none"],
        )
        .live(),
        Param::integer(
            "fail_rate",
            "Failures",
            "Share of failing calls.",
            (ParamUnit::Percent, 1, 100, 40),
        )
        .live(),
        Param::choice(
            "fault",
            "Kind of failure",
            "An error is expected and handled. A panic is a bug: it ends the run.",
            &["error", "panic"],
        ),
        Param::choice(
            "added",
            "Service added while running",
            "Start LoyaltyService when half of the users have signed up.",
            &["loyalty", "none"],
        ),
        Param::integer(
            "inbox",
            "Inbox capacity",
            "An asynchronous listener's inbox holds this many events.",
            (ParamUnit::Count, 1, 10_000, 16),
        ).only_with("listeners", "async"),
        Param::choice(
            "overflow",
            "Overflow policy",
            "A full inbox makes the sign-up wait, drops the oldest or newest event, keeps only the latest, or fails its listener.",
            &["wait", "drop-oldest", "drop-newest", "latest", "fail"],
        ).only_with("listeners", "async"),
        Param::choice(
            "reentry",
            "Listener that emits",
            "EmailService's listener emits an event per mail. AuditLog gets both.",
            &["none", "email"],
        ).only_with("design", "events"),
        Param::integer(
            "leak",
            "Listeners leaked",
            "Sign-ups that leak a listener. The bus warns at the eleventh listener.",
            (ParamUnit::Count, 0, 10, 0),
        ),
    ],
    presets: &[
        Preset {
            title: "A failing email, isolated by events",
            set: &[],
        },
        Preset {
            title: "The same failure with direct calls",
            set: &[("design", "direct")],
        },
        Preset {
            title: "A slow email, synchronous listeners",
            set: &[("email_latency", "200"), ("fail", "none")],
        },
        Preset {
            title: "A slow email, handled in the background",
            set: &[("email_latency", "200"), ("listeners", "async")],
        },
        Preset {
            title: "A listener too slow for its inbox",
            set: &[
                ("listeners", "async"),
                ("email_latency", "1000"),
                ("inbox", "3"),
                ("overflow", "drop-oldest"),
                ("fail", "none"),
            ],
        },
        Preset {
            title: "A listener that emits: which event comes first?",
            set: &[("reentry", "email"), ("fail", "none"), ("users", "4")],
        },
        Preset {
            title: "A listener leaked with each sign-up",
            set: &[("leak", "10"), ("fail", "none")],
        },
    ],
    run: |context| run(context).boxed_local(),
    checks: checks::ALL,
    narrate: narrate::narrate,
};

async fn run(context: Context) {
    let params = &context.params;
    // Registered first, so that tables and plots list UserService first.
    let _ = context.trace.name(USER_SERVICE);
    let wiring = BusWiring::new(&context);
    let [email, audit, metrics] = [
        ServiceProfile::email(),
        ServiceProfile::audit(),
        ServiceProfile::metrics(),
    ]
    .map(|profile| DownstreamService::start(&context, profile));

    let is_direct = params.choice("design") == "direct";
    let user_service = if is_direct {
        UserService::with_direct_calls(&context, email, audit, metrics)
    } else {
        for service in [email, audit, metrics] {
            wiring.subscribe(service);
        }
        UserService::with_event_bus(&context, wiring.bus())
    };

    // A sign-up that waits for inbox space must not delay the next one.
    let waits = params.choice("listeners") == "async" && !is_direct;
    let mut waiting = Vec::new();

    let users = params.integer("users");
    let mut arrivals = Arrivals::new(&context, users);
    arrivals.begin();
    while let Some((user, due)) = arrivals.next().await {
        if user == users / 2 + 1 && params.choice("added") == "loyalty" {
            let loyalty = DownstreamService::start(&context, ServiceProfile::loyalty());
            // With `direct`, nothing calls it, because `UserService` would need an
            // edit.
            if !is_direct {
                wiring.subscribe(loyalty);
            }
        }
        let answer = user_service.register(user, due);
        if waits {
            waiting.push(context.platform.spawn(answer));
        } else {
            answer.await;
        }
    }
    for sign_up in waiting {
        sign_up.await;
    }
    wiring.finish().await;
}
