//! Small servers over HTTP: with the layer, without, and without once more.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
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

use super::paired::median;

/// So often each contestant takes its turn in a round,
const TURNS: usize = 20;
/// and asks so often.
const REQUESTS: usize = 50;
/// Until the connection is there and the caches are warm.
const WARM_UP: usize = 100;

const ANSWER: &str = "an order";

/// Microseconds a request, in the middle, in one round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served {
    pub(super) without: f64,
    /// Another server of the same kind: how much two differ that do not.
    pub(super) again: f64,
    pub(super) with: f64,
}

/// All on one thread, and so on one core: whatever the machine does, it does to
/// all of them.
pub(super) struct Servers {
    addresses: [SocketAddr; 3],
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Servers {
    pub(super) fn start() -> Result<Self> {
        let without = || Router::new().route("/orders/{number}", get(async || ANSWER));
        let layer = HandlerLayer::new(Handler::new(), Ids::new(7)).on_drain(|| {});
        let routers = [without(), without(), without().layer(layer)];
        let runtime = runtime()?;
        let mut addresses = Vec::new();
        let mut served = Vec::new();
        for router in routers {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
            let listener = runtime.block_on(listener)?;
            addresses.push(listener.local_addr()?);
            served.push((listener, router));
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
        let addresses = addresses.try_into();
        Ok(Servers {
            addresses: addresses.ok().context("there are three")?,
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
        let mut times: [Vec<f64>; 3] = Default::default();
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
        let [without, again, with] = times.map(|times| median(times).unwrap_or(f64::NAN));
        Ok(Served {
            without,
            again,
            with,
        })
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

/// Who comes when: all six orders in turn, so that nobody always follows the same.
fn order(turn: usize) -> [usize; 3] {
    let first = turn % 3;
    let (second, third) = ((first + 1) % 3, (first + 2) % 3);
    match turn / 3 % 2 {
        0 => [first, second, third],
        _ => [first, third, second],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn everybody_comes_once_a_turn_and_in_each_order() {
        let orders: BTreeSet<_> = (0..6).map(order).collect();
        assert_eq!(orders.len(), 6);
        for order in orders {
            assert_eq!(BTreeSet::from(order).len(), 3);
        }
    }

    #[test]
    fn all_servers_answer() {
        let servers = Servers::start().unwrap();
        let served = servers.ask_in_turn(1).unwrap();
        for time in [served.without, served.again, served.with] {
            assert!(time > 0.0, "{served:?}");
        }
    }
}
