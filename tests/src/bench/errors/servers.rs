//! Minimal HTTP servers, with and without the error layer.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Result, ensure};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures::future::select_all;
use highwater::error::{Handler, IdGenerator, http::HandlerLayer};
use http::Uri;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tower::layer::layer_fn;

use super::statistics::Quartiles;

/// Turns of each server in a round.
const TURNS: usize = 20;
/// Requests in a turn.
const REQUESTS: usize = 50;
/// Requests before the measurement, to open the connection and warm the caches.
const WARM_UP: usize = 100;

const ANSWER: &str = "an order";

/// The layers around the route of a server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Setup {
    Nothing,
    /// The same in a second server, to show the noise.
    NothingAgain,
    /// A layer that does nothing. Axum boxes every layer.
    EmptyLayer,
    Layer,
}

impl Setup {
    pub(super) const ALL: [Self; COUNT] = [
        Self::Nothing,
        Self::NothingAgain,
        Self::EmptyLayer,
        Self::Layer,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "without the layer",
            Self::NothingAgain => "without, repeated",
            Self::EmptyLayer => "with an empty layer",
            Self::Layer => "with the layer",
        }
    }

    fn router(self) -> Router {
        let router = Router::new().route("/orders/{number}", get(async || ANSWER));
        match self {
            Self::Nothing | Self::NothingAgain => router,
            Self::EmptyLayer => router.layer(layer_fn(|route| route)),
            Self::Layer => {
                let layer = HandlerLayer::new(Handler::new(), IdGenerator::new(7));
                router.layer(layer.on_drain(|| {}))
            }
        }
    }
}

const COUNT: usize = 4;

/// The request times of one round, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestTimes([Quartiles; COUNT]);

impl RequestTimes {
    pub(super) fn by(&self, setup: Setup) -> Quartiles {
        self.0[setup as usize]
    }
}

/// The servers. All run on one thread, so that disturbances affect all of them.
pub(super) struct Servers {
    addresses: Vec<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Servers {
    pub(super) fn start() -> Result<Self> {
        let runtime = runtime()?;
        let mut addresses = Vec::new();
        let mut listening = Vec::new();
        for setup in Setup::ALL {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
            let listener = runtime.block_on(listener)?;
            addresses.push(listener.local_addr()?);
            listening.push((listener, setup.router()));
        }
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                let served = listening.into_iter().map(|(listener, router)| {
                    Box::pin(async { axum::serve(listener, router).await })
                });
                tokio::select! {
                    _ = select_all(served) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Servers {
            addresses,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Measures each server over a keep-alive connection, in a different order each turn.
    pub(super) fn measure(&self, round: usize) -> Result<RequestTimes> {
        let runtime = runtime()?;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let uris = self.addresses.iter();
        let uris = uris.map(|address| format!("http://{address}/orders/42").parse());
        let uris: Vec<Uri> = uris.collect::<Result<_, _>>()?;
        let mut times: [Vec<f64>; COUNT] = Default::default();
        runtime.block_on(async {
            for uri in &uris {
                for _ in 0..WARM_UP {
                    request(&client, uri).await?;
                }
            }
            for turn in 0..TURNS {
                for contestant in order(round + turn) {
                    let uri = &uris[contestant];
                    for _ in 0..REQUESTS {
                        let start = Instant::now();
                        request(&client, uri).await?;
                        times[contestant].push(start.elapsed().as_nanos() as f64 / 1e3);
                    }
                }
            }
            anyhow::Ok(())
        })?;
        Ok(RequestTimes(times.map(Quartiles::of)))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // An error means that the thread has exited.
        self.stop.take().map(|stop| stop.send(()));
        self.thread.take().map(JoinHandle::join);
    }
}

async fn request(client: &Client<HttpConnector, Body>, uri: &Uri) -> Result<()> {
    let response = client.get(uri.clone()).await?;
    ensure!(response.status() == 200, "{}", response.status());
    let body = response.into_body().collect().await?.to_bytes();
    ensure!(body == ANSWER, "unexpected response");
    Ok(())
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Returns the order of the servers in a turn. Each server takes every position, and does
/// not always follow the same one.
fn order(turn: usize) -> [usize; COUNT] {
    let mut order = std::array::from_fn(|position| (position + turn) % COUNT);
    if turn / COUNT % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn order_rotates_all_servers() {
        for position in 0..COUNT {
            let servers = (0..COUNT).map(|turn| order(turn)[position]);
            assert_eq!(servers.collect::<BTreeSet<_>>().len(), COUNT);
        }
        for turn in 0..2 * COUNT {
            assert_eq!(BTreeSet::from(order(turn)).len(), COUNT);
        }
    }

    #[test]
    fn all_servers_respond() {
        let servers = Servers::start().unwrap();
        let times = servers.measure(1).unwrap();
        for setup in Setup::ALL {
            assert!(times.by(setup).median > 0.0, "{times:?}");
        }
    }
}
