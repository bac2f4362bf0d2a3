//! A service that takes its events from an inbox.

use super::{service::Service, user_service::UserRegistered, wiring::Mails};
use crate::{
    events::{Inbox, Overflow},
    scenario::Values,
    trace::{Kind, Recorder},
};
use futures::StreamExt;

/// Works the inbox off, one event after the other, until it is closed.
pub(super) async fn work_off(
    mut inbox: Inbox<UserRegistered>,
    service: Service,
    mails: Option<Mails>,
    trace: Recorder,
) {
    let mut lost = 0;
    loop {
        let next = inbox.next().await;
        let dropped = inbox.stats().dropped;
        if dropped > lost {
            trace.instant(Kind::Drop, service.id(), dropped - lost);
            lost = dropped;
        }
        let Some(event) = next else {
            return;
        };
        // A failure is on record with the service; nobody waits for it.
        let handled = service.handle_async(event.user).await;
        if let (Ok(()), Some(mails)) = (handled, &mails) {
            mails.announce(event.user);
        }
    }
}

/// What a full inbox does.
pub(super) fn overflow(params: &Values) -> Overflow {
    match params.choice("overflow") {
        "drop-oldest" => Overflow::DropOldest,
        "drop-newest" => Overflow::DropNewest,
        "latest" => Overflow::Latest,
        "fail" => Overflow::Fail,
        _ => Overflow::Wait,
    }
}
