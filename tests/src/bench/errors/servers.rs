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

use super::super::statistics::Quartiles;

/// Measurements of each server per round.
const TURNS_PER_ROUND: usize = 20;
/// Requests per measurement.
const REQUESTS_PER_TURN: usize = 50;
/// Warm-up requests, which open the connection and fill the caches.
const WARM_UP_REQUESTS: usize = 100;

const RESPONSE_BODY: &str = "an order";

/// The layers around a server's route.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Setup {
    NoLayer,
    /// A second server without a layer, to show the noise.
    NoLayerAgain,
    /// A no-op layer, to show the cost of Axum's boxing.
    EmptyLayer,
    Layer,
}

impl Setup {
    pub(super) const ALL: [Self; SERVER_COUNT] = [
        Self::NoLayer,
        Self::NoLayerAgain,
        Self::EmptyLayer,
        Self::Layer,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NoLayer => "without the layer",
            Self::NoLayerAgain => "without (again)",
            Self::EmptyLayer => "with a no-op layer",
            Self::Layer => "with the layer",
        }
    }

    fn router(self) -> Router {
        let router = Router::new().route("/orders/{number}", get(async || RESPONSE_BODY));
        match self {
            Self::NoLayer | Self::NoLayerAgain => router,
            Self::EmptyLayer => router.layer(layer_fn(|route| route)),
            Self::Layer => {
                let layer = HandlerLayer::new(Handler::new(), IdGenerator::new(7));
                router.layer(layer.on_drain(|| {}))
            }
        }
    }
}

const SERVER_COUNT: usize = 4;

/// The request times of one round, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestTimes([Quartiles; SERVER_COUNT]);

impl RequestTimes {
    pub(super) fn quartiles(&self, setup: Setup) -> Quartiles {
        self.0[setup as usize]
    }
}

/// The servers. All run on one thread, so that background load affects all of them.
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

    /// Measures each server over a keep-alive connection. The order changes every turn.
    pub(super) fn measure(&self, round: usize) -> Result<RequestTimes> {
        let runtime = runtime()?;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let uris = self.addresses.iter();
        let uris = uris.map(|address| format!("http://{address}/orders/42").parse());
        let uris: Vec<Uri> = uris.collect::<Result<_, _>>()?;
        let mut times: [Vec<f64>; SERVER_COUNT] = Default::default();
        runtime.block_on(async {
            for uri in &uris {
                for _ in 0..WARM_UP_REQUESTS {
                    request(&client, uri).await?;
                }
            }
            for turn in 0..TURNS_PER_ROUND {
                for contestant in server_order(round + turn) {
                    let uri = &uris[contestant];
                    for _ in 0..REQUESTS_PER_TURN {
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
        // Fails only if the thread has already exited.
        self.stop.take().map(|stop| stop.send(()));
        self.thread.take().map(JoinHandle::join);
    }
}

async fn request(client: &Client<HttpConnector, Body>, uri: &Uri) -> Result<()> {
    let response = client.get(uri.clone()).await?;
    ensure!(response.status() == 200, "{}", response.status());
    let body = response.into_body().collect().await?.to_bytes();
    ensure!(body == RESPONSE_BODY, "unexpected response");
    Ok(())
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Returns the order of the servers in a turn. Over several turns, each server takes
/// every position and follows different servers.
fn server_order(turn: usize) -> [usize; SERVER_COUNT] {
    let mut order = std::array::from_fn(|position| (position + turn) % SERVER_COUNT);
    if turn / SERVER_COUNT % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_server_takes_every_position() {
        for position in 0..SERVER_COUNT {
            let servers = (0..SERVER_COUNT).map(|turn| server_order(turn)[position]);
            assert_eq!(servers.collect::<BTreeSet<_>>().len(), SERVER_COUNT);
        }
        for turn in 0..2 * SERVER_COUNT {
            assert_eq!(BTreeSet::from(server_order(turn)).len(), SERVER_COUNT);
        }
    }

    #[test]
    fn all_servers_respond() {
        let servers = Servers::start().unwrap();
        let times = servers.measure(1).unwrap();
        for setup in Setup::ALL {
            assert!(times.quartiles(setup).median > 0.0, "{times:?}");
        }
    }
}
