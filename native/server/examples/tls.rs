//! HTTPS with two workers. A reload renews the certificate.
//!
//! ```sh
//! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
//!     -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem
//! cargo run -p highwater-server --features tls --example tls -- cert.pem key.pem
//! curl --cacert cert.pem https://localhost:8443/      # in another terminal
//! pkill -HUP -o tls                                   # after the files were replaced
//! ```

use axum::{Extension, Router, routing::get};
use highwater_server::{ClientAddr, Cluster, ExitCode, Tls};
use std::env;

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let (Some(certificate), Some(key)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: tls CERTIFICATE.pem KEY.pem");
        return ExitCode::from(2);
    };
    Cluster::new("127.0.0.1:8443")
        .workers(2)
        .tls(Tls::pem_files(certificate, key))
        .run(|_worker| async { Router::new().route("/", get(hello)) })
}

async fn hello(Extension(client): Extension<ClientAddr>) -> String {
    format!("hello, {client}")
}
