//! Small servers over HTTP: with the layer, and what to compare it with.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Result, ensure};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use futures::future::select_all;
use highwater::error::{Handler, Ids, http::HandlerLayer};
use http::Uri;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tower::layer::layer_fn;

use super::paired::Quartiles;

/// So often each contestant takes its turn in a round,
const TURNS: usize = 20;
/// and asks so often.
const REQUESTS: usize = 50;
/// Until the connection is there and the caches are warm.
const WARM_UP: usize = 100;

const ANSWER: &str = "an order";

/// What a server has around its route.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Around {
    Nothing,
    /// As above, in another server: how much two differ that do not.
    NothingAgain,
    /// A layer that does nothing. Axum keeps each in a box, whatever it does.
    EmptyLayer,
    Layer,
}

impl Around {
    pub(super) const ALL: [Self; COUNT] = [
        Self::Nothing,
        Self::NothingAgain,
        Self::EmptyLayer,
        Self::Layer,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "without the layer",
            Self::NothingAgain => "without, once more",
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
                let layer = HandlerLayer::new(Handler::new(), Ids::new(7));
                router.layer(layer.on_drain(|| {}))
            }
        }
    }
}

const COUNT: usize = 4;

/// What the requests of one round took, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served([Quartiles; COUNT]);

impl Served {
    pub(super) fn by(&self, around: Around) -> Quartiles {
        self.0[around as usize]
    }
}

/// All on one thread, and so on one core: whatever the machine does, it does to
/// all of them.
pub(super) struct Servers {
    addresses: Vec<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Servers {
    pub(super) fn start() -> Result<Self> {
        let runtime = runtime()?;
        let mut addresses = Vec::new();
        let mut served = Vec::new();
        for around in Around::ALL {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
            let listener = runtime.block_on(listener)?;
            addresses.push(listener.local_addr()?);
            served.push((listener, around.router()));
        }
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                let served = served.into_iter().map(|(listener, router)| {
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

    /// Asks each over a connection that stays open, each turn in another order.
    pub(super) fn ask_in_turn(&self, round: usize) -> Result<Served> {
        let runtime = runtime()?;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let uris = self.addresses.iter();
        let uris = uris.map(|address| format!("http://{address}/orders/42").parse());
        let uris: Vec<Uri> = uris.collect::<Result<_, _>>()?;
        let mut times: [Vec<f64>; COUNT] = Default::default();
        runtime.block_on(async {
            for uri in &uris {
                for _ in 0..WARM_UP {
                    ask(&client, uri).await?;
                }
            }
            for turn in 0..TURNS {
                for contestant in order(round + turn) {
                    let uri = &uris[contestant];
                    for _ in 0..REQUESTS {
                        let start = Instant::now();
                        ask(&client, uri).await?;
                        times[contestant].push(start.elapsed().as_nanos() as f64 / 1e3);
                    }
                }
            }
            anyhow::Ok(())
        })?;
        Ok(Served(times.map(Quartiles::of)))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // An error means that it has ended.
        self.stop.take().map(|stop| stop.send(()));
        self.thread.take().map(JoinHandle::join);
    }
}

async fn ask(client: &Client<HttpConnector, Body>, uri: &Uri) -> Result<()> {
    let response = client.get(uri.clone()).await?;
    ensure!(response.status() == 200, "{}", response.status());
    let body = response.into_body().collect().await?.to_bytes();
    ensure!(body == ANSWER, "another answer");
    Ok(())
}

fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Who comes when: each at each place, and not always after the same.
fn order(turn: usize) -> [usize; COUNT] {
    let mut order = std::array::from_fn(|place| (place + turn) % COUNT);
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
    fn everybody_comes_once_a_turn_and_at_each_place() {
        for place in 0..COUNT {
            let who = (0..COUNT).map(|turn| order(turn)[place]);
            assert_eq!(who.collect::<BTreeSet<_>>().len(), COUNT);
        }
        for turn in 0..2 * COUNT {
            assert_eq!(BTreeSet::from(order(turn)).len(), COUNT);
        }
    }

    #[test]
    fn all_servers_answer() {
        let servers = Servers::start().unwrap();
        let served = servers.ask_in_turn(1).unwrap();
        for around in Around::ALL {
            assert!(served.by(around).median > 0.0, "{served:?}");
        }
    }
}
