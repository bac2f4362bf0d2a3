//! Servers without supervision, to compare `highwater-server` with.

use std::convert::Infallible;
use std::env;
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::process::{Child, Command};

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use http::{HeaderValue, Response, header};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime;

/// The capacity of the accept queue, as in `highwater-server`.
const QUEUE_CAPACITY: u32 = 4096;

/// A server.
#[derive(clap::Args)]
pub(crate) struct Peer {
    kind: PeerKind,
    addr: SocketAddr,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum PeerKind {
    /// `axum::serve` on all cores.
    Axum,
    /// Two processes of `HyperProcess`.
    Hyper,
    /// One hyper process on one core.
    HyperProcess,
}

impl Peer {
    /// Serves until it is killed.
    pub(crate) fn run(&self) -> Result<()> {
        let addr = self.addr;
        match self.kind {
            PeerKind::Axum => {
                let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
                runtime.block_on(serve_axum(addr))?;
            }
            PeerKind::Hyper => {
                let start = || -> io::Result<Child> {
                    let mut process = Command::new(env::current_exe()?);
                    process.args(["bench", "peer", "hyper-process", &addr.to_string()]);
                    process.spawn()
                };
                let [mut first, mut second] = [start()?, start()?];
                first.wait()?;
                second.wait()?;
            }
            PeerKind::HyperProcess => {
                let runtime = runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(serve_hyper(addr))?;
            }
        }
        Ok(())
    }
}

async fn serve_axum(addr: SocketAddr) -> io::Result<()> {
    let listener = listen(addr)?.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let router = Router::new().route("/hello", get(async || response()));
    axum::serve(listener, router).await
}

async fn serve_hyper(addr: SocketAddr) -> io::Result<()> {
    let listener = listen(addr)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service_fn(|_| ready(Ok::<_, Infallible>(response())));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection);
    }
}

/// Listens on an address that several processes can listen on.
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(addr)?;
    socket.listen(QUEUE_CAPACITY)
}

/// Returns the response of which each server in the comparison sends the same bytes.
fn response() -> Response<Body> {
    let mut response = Response::new(Body::from("hello\n"));
    for (name, value) in [
        (header::CONTENT_TYPE, "text/plain"),
        (header::CONNECTION, "keep-alive"),
        // nginx cannot omit it.
        (header::SERVER, "nginx"),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}
