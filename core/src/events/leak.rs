//! Reports of leaked listeners.

use super::Registration;
use std::{cmp::Reverse, fmt};

/// A report of more listeners for one event type than there should be. Usually one is
/// added per request and never removed.
///
/// Its text names the source locations that added most of them:
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
/// assert!(reports.try_recv().is_err(), "reported once");
/// # Ok::<(), mpsc::RecvError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leak {
    /// The type of the event.
    pub event: &'static str,
    /// The configured limit.
    pub max_listeners: usize,
    /// All listeners, in order.
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
        let mut call_sites = call_sites(listeners);
        for shown in 0..CALL_SITES_SHOWN {
            // On a tie, the earliest comes first.
            let key = |site: &CallSite<'_>| (site.count, Reverse(site.first.id));
            let busiest = (0..call_sites.len()).max_by_key(|index| key(&call_sites[*index]));
            let Some(site) = busiest.map(|index| call_sites.swap_remove(index)) else {
                break;
            };
            let Registration { name, location, .. } = site.first;
            let separator = if shown == 0 { ':' } else { ',' };
            write!(f, "{separator} {} by \"{name}\" at {location}", site.count)?;
            if let Some(since) = site.first.since {
                write!(f, " since {} ms", since.as_millis())?;
            }
        }
        match call_sites.len() {
            0 => Ok(()),
            more => write!(f, ", and {more} more"),
        }
    }
}

/// The call sites in the text. [`Leak::listeners`] has all listeners.
const CALL_SITES_SHOWN: usize = 2;

/// The listeners added by one line of code, under any name.
struct CallSite<'a> {
    /// The earliest one, which has the lowest id.
    first: &'a Registration,
    count: usize,
}

fn call_sites(listeners: &[Registration]) -> Vec<CallSite<'_>> {
    let mut call_sites: Vec<CallSite<'_>> = Vec::new();
    for listener in listeners {
        let is_here = |site: &&mut CallSite<'_>| site.first.location == listener.location;
        let known = call_sites.iter_mut().find(is_here);
        let Some(site) = known else {
            call_sites.push(CallSite {
                first: listener,
                count: 1,
            });
            continue;
        };
        site.count += 1;
        if listener.id < site.first.id {
            site.first = listener;
        }
    }
    call_sites
}
