//! Listeners that pile up.

use super::Registration;
use std::{cmp::Reverse, fmt};

/// More listeners for one type of event than there should be: usually one that
/// is added with each request and never removed.
///
/// Its text names the lines of code that added most of them:
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
/// assert!(leak.starts_with(
///     "possible leak: 3 listeners for u8, more than 2: 3 by \"forgotten\" at "
/// ));
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
            "possible leak: {count} listeners for {event}, more than {max_listeners}"
        )?;
        let mut places = places(listeners);
        for shown in 0..PLACES_SHOWN {
            // Of equals, the one that was first to listen.
            let key = |place: &Place<'_>| (place.count, Reverse(place.first.id));
            let busiest = (0..places.len()).max_by_key(|index| key(&places[*index]));
            let Some(place) = busiest.map(|index| places.swap_remove(index)) else {
                break;
            };
            let Registration { name, location, .. } = place.first;
            let separator = if shown == 0 { ':' } else { ',' };
            write!(f, "{separator} {} by {name:?} at {location}", place.count)?;
            if let Some(since) = place.first.since {
                write!(f, " since {} ms", since.as_millis())?;
            }
        }
        match places.len() {
            0 => Ok(()),
            more => write!(f, ", and {more} more"),
        }
    }
}

/// In its text; [`Leak::listeners`] has them all.
const PLACES_SHOWN: usize = 2;

/// The listeners added by one line of code, under whatever names.
struct Place<'a> {
    /// The first to listen: its number is the lowest.
    first: &'a Registration,
    count: usize,
}

fn places(listeners: &[Registration]) -> Vec<Place<'_>> {
    let mut places: Vec<Place<'_>> = Vec::new();
    for listener in listeners {
        let is_here = |place: &&mut Place<'_>| place.first.location == listener.location;
        let known = places.iter_mut().find(is_here);
        let Some(place) = known else {
            places.push(Place {
                first: listener,
                count: 1,
            });
            continue;
        };
        place.count += 1;
        if listener.id < place.first.id {
            place.first = listener;
        }
    }
    places
}
