//! Listeners that pile up.

use super::Registration;
use std::fmt;

/// More listeners for one type of event than there should be: usually one that
/// is added with each request and never removed.
///
/// Its text names the lines of code that added them, the busiest first:
///
/// ```
/// use highwater::events::{Emitter, Options};
/// use std::sync::mpsc;
///
/// let (report, reports) = mpsc::channel();
/// let options = Options::new()
///     .max_listeners(2)
///     .on_leak(move |leak| report.send(leak.to_string()).unwrap());
/// let emitter: Emitter<u8> = Emitter::with_options(options);
/// for _request in 0..5 {
///     emitter.on("forgotten", |_| ()).detach();
/// }
///
/// let leak = reports.recv()?;
/// assert!(leak.starts_with("3 listeners for u8, more than 2: a leak?"));
/// assert!(leak.contains("3 by \"forgotten\" at"));
/// assert!(reports.try_recv().is_err(), "it is reported once");
/// # Ok::<(), mpsc::RecvError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Leak {
    /// The type of the event.
    pub event: &'static str,
    /// The most there should be.
    pub max_listeners: usize,
    /// Those there are, in their order.
    pub listeners: Vec<Registration>,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Leak {
            event,
            max_listeners,
            listeners,
        } = self;
        let count = listeners.len();
        write!(
            f,
            "{count} listeners for {event}, more than {max_listeners}: a leak?"
        )?;
        for place in places(listeners) {
            let Registration { name, location, .. } = place.first;
            write!(f, " {} by {name:?} at {location}", place.count)?;
            if let Some(since) = place.first.since {
                write!(f, " since {} ms", since.as_millis())?;
            }
            f.write_str(";")?;
        }
        Ok(())
    }
}

/// The listeners added by one line of code under one name.
struct Place<'a> {
    first: &'a Registration,
    count: usize,
}

/// The busiest first; of equals, the one that was first to listen.
fn places(listeners: &[Registration]) -> Vec<Place<'_>> {
    let mut places: Vec<Place<'_>> = Vec::new();
    let mut by_age: Vec<&Registration> = listeners.iter().collect();
    by_age.sort_by_key(|registration| registration.id);
    for listener in by_age {
        let known = places.iter_mut().find(|place| {
            place.first.location == listener.location && place.first.name == listener.name
        });
        match known {
            Some(place) => place.count += 1,
            None => places.push(Place {
                first: listener,
                count: 1,
            }),
        }
    }
    places.sort_by_key(|place| std::cmp::Reverse(place.count));
    places
}
