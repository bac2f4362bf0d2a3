//! What holds when something is injected: a full inbox, a listener that emits,
//! a leak.

use super::{Facts, not_exercised};
use crate::{
    scenario::{
        checks::Decision,
        decoupling::{AUDIT, EMAIL, EVENT_BUS, SESSION},
        leak,
    },
    trace::{Kind, NameId, Phase, Trace},
};

/// An inbox may lose events, by its policy, but never uncounted.
pub(super) fn inbox_accounts_for_all(trace: &Trace) -> Decision {
    let facts = Facts::of(trace);
    let overflow = trace.param("overflow");
    let claim = match overflow {
        "wait" => "a full inbox makes the sign-up wait, and loses nothing",
        "fail" => "a full inbox fails its listener, and each refusal is known",
        _ => "a full inbox drops events, and each is counted",
    }
    .to_owned();
    if facts.is_direct || trace.param("listeners") != "async" {
        return not_exercised(claim, "no listener has an inbox: set listeners=async");
    }
    let mut total = Account::default();
    let mut holds = true;
    for (service, _) in facts.listeners() {
        let account = Account::of(trace, service);
        holds &= account.delivered == account.handled + account.dropped + account.refused;
        total.delivered += account.delivered;
        total.handled += account.handled;
        total.dropped += account.dropped;
        total.refused += account.refused;
    }
    holds &= match overflow {
        "wait" => total.dropped == 0 && total.refused == 0,
        "fail" => total.dropped == 0,
        _ => total.refused == 0,
    };
    Decision::Decided {
        claim,
        holds: holds && total.delivered > 0,
        evidence: format!(
            "{} delivered: {} handled, {} dropped, {} refused",
            total.delivered, total.handled, total.dropped, total.refused
        ),
    }
}

/// What became of the sign-ups that were handed to an inbox.
#[derive(Default)]
struct Account {
    delivered: u64,
    handled: u64,
    dropped: u64,
    refused: u64,
}

impl Account {
    fn of(trace: &Trace, service: NameId) -> Self {
        let mut account = Account::default();
        let mut mails = Mails::of(trace);
        for event in &trace.events {
            let is_mail = mails.is_delivery(event);
            match event.kind {
                Kind::Deliver if event.target == Some(service) && !is_mail => {
                    account.delivered += 1;
                }
                Kind::Handle if event.source == service && event.phase == Phase::End => {
                    account.handled += 1;
                }
                Kind::Drop if event.source == service => account.dropped += event.subject,
                Kind::Refuse if event.source == service => account.refused += 1,
                _ => {}
            }
        }
        account
    }
}

/// Tells the deliveries of mails from those of sign-ups: they follow their emit
/// at once.
struct Mails {
    email: Option<NameId>,
    audit: Option<NameId>,
    announced: bool,
}

impl Mails {
    fn of(trace: &Trace) -> Self {
        Mails {
            email: trace.id(EMAIL),
            audit: trace.id(AUDIT),
            announced: false,
        }
    }

    /// To be asked of each record in turn.
    fn is_delivery(&mut self, event: &crate::trace::Event) -> bool {
        let is_mail = self.announced && event.kind == Kind::Deliver && event.target == self.audit;
        self.announced = event.kind == Kind::Emit && Some(event.source) == self.email;
        is_mail
    }
}

/// An emit from within a listener is over before the outer one goes on.
pub(super) fn nested_emit_first(trace: &Trace) -> Decision {
    let is_async = trace.param("listeners") == "async";
    let claim = if is_async {
        "mailed in the background, the sign-up is known before the mail"
    } else {
        "an emit within an emit comes first: AuditLog hears of the mail before the sign-up"
    }
    .to_owned();
    if trace.param("design") == "direct" || trace.param("reentry") == "none" {
        return not_exercised(claim, "no listener emits: set reentry=email");
    }
    let mut mails = Mails::of(trace);
    let audit = mails.audit;
    // The place of each delivery to AuditLog: of a mail, and of its sign-up.
    let mut of_mails = Vec::new();
    let mut of_sign_ups = Vec::new();
    for (place, event) in trace.events.iter().enumerate() {
        if mails.is_delivery(event) {
            of_mails.push((event.subject, place));
        } else if event.kind == Kind::Deliver && event.target == audit {
            of_sign_ups.push((event.subject, place));
        }
    }
    of_sign_ups.sort_unstable();
    let sign_up_of = |user: u64| {
        let index = of_sign_ups.binary_search_by_key(&user, |(user, _)| *user);
        index.map(|index| of_sign_ups[index].1)
    };
    let before = of_mails
        .iter()
        .filter(|(user, mail)| sign_up_of(*user).is_ok_and(|sign_up| *mail < sign_up))
        .count();
    if of_mails.is_empty() {
        return not_exercised(claim, "no mail was sent: set fail=none");
    }
    Decision::Decided {
        claim,
        holds: before == if is_async { 0 } else { of_mails.len() },
        evidence: format!(
            "{before} of {} mails came before their sign-up",
            of_mails.len()
        ),
    }
}

/// Who leaks listeners is told, once, and where.
pub(super) fn leak_reported(trace: &Trace) -> Decision {
    let (session, bus) = (trace.id(SESSION), trace.id(EVENT_BUS));
    let mut subscribed = 0;
    let mut leaked = 0;
    for event in &trace.events {
        if event.kind == Kind::Subscribe && event.target == bus {
            leaked += u64::from(Some(event.source) == session);
            subscribed += 1;
        }
    }
    // AuditLog's second subscription is to another type of event.
    let others = u64::from(trace.param("reentry") == "email" && leaked > 0);
    let hint = "there are no more than ten listeners: set leak=10, design=events, users=12";
    leak::leak_reported(trace, SESSION, subscribed - others, leaked, hint)
}
